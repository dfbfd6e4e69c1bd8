"""Kill the shipped worker and the service at named places and at random; nothing may be lost or done twice.

Twenty kills by default; `make soak` sets DDPM_SOAK=200. The seed is printed: DDPM_SOAK_SEED repeats a run.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from engine.base.files import is_locked
from engine.base.home import Home
from engine.client.sync import ensure_engine
from engine.data.catalog import add_source
from engine.jobs.files import new_job_folder, read_result
from engine.runs.checkpoints import list_checkpoints, verify
from engine.runs.record import create_run
from tests import forked
from tests.engine.service.support import Service, ends, make_home, wait_for
from tests.tiny import TINY, bits, metrics_without_clocks, work

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(5400)]

SHIPPED = [sys.executable, "-m", "engine.worker"]
KILLS = int(os.environ.get("DDPM_SOAK", "20"))
EPOCH_STEPS = 7

TRAIN_PLACES = (
    "worker.start",
    "train.step",
    "checkpoint.begin",
    "checkpoint.files_written",
    "checkpoint.before_rename",
    "checkpoint.after_rename",
    "checkpoint.published",
    "worker.before_result",
    "service.before_starting",
    "service.before_spawn",
    "service.after_spawn",
    "service.after_running",
    "service.worker_ended",
    "service.before_done",
    "service.after_done",
)
SAMPLE_PLACES = ("worker.start", "sample.step", "worker.before_result")
SERVICE = "service, at a random moment"
STARTED = ("train.step", "checkpoint.before_rename", "sample.step", SERVICE)
"""Where the worker is one that was started; at the other places it is forked, unless `make soak` asks for more."""


@pytest.fixture
def shop(tmp_path: Path, pictures: Path) -> Home:
    home = make_home(tmp_path / "home", devices=["cpu"])
    add_source(home, pictures, "dots")
    return home


def tiny_run(home: Home, name: str, epochs: int) -> None:
    from engine.config.store import build_profile

    training = {**TINY["training"], "epochs": epochs, "chunk_epochs": 1}
    create_run(home, name, build_profile({**TINY, "training": training}, "tiny"))


def test_every_kill_is_survived(shop: Home, tmp_path: Path) -> None:
    seed = int(os.environ.get("DDPM_SOAK_SEED", random.SystemRandom().randrange(10**6)))
    dice = random.Random(seed)
    print(f"\nseed {seed}")
    trains = max(1, KILLS * 4 // 5)
    tiny_run(shop, "broken", trains + 1)
    tiny_run(shop, "straight", trains + 1)
    counts: Counter[str] = Counter()

    for kill in range(KILLS):
        sampling = kill >= trains
        places = (*(SAMPLE_PLACES if sampling else TRAIN_PLACES), SERVICE)
        # Each place in turn first, then by the dice.
        turn = kill - trains if sampling else kill
        place = places[turn] if turn < len(places) else dice.choice(places)
        marks = tmp_path / f"marks-{kill}"
        marks.mkdir()
        hit = dice.randrange(1, EPOCH_STEPS + 1) if place == "train.step" else 1
        plan = "" if place == SERVICE else f"{place}:{hit}=kill"
        command = SHIPPED if place in STARTED or KILLS > 20 else forked.command()
        service = Service(
            shop, command, DDPM_FAILPOINTS=plan, DDPM_FAILPOINTS_ONCE=str(marks), OMP_NUM_THREADS="1"
        )
        try:
            if sampling:
                args = {"checkpoint": "broken@latest", "n": 2, "steps": 3, "seed": kill}
                wish = service.insist("add", kind="sample", run="broken", args=args, token=f"{kill}")
            else:
                wish = service.insist("train", target="broken", to_epoch=kill + 1, token=f"{kill}")
            job = wish["job"]["id"]
            if place == SERVICE:
                time.sleep(dice.uniform(0.0, 6.0))
                service.kill()
                counts[place] += 1
            ended = service.until(job, timeout=600)
            assert ended["state"] == "done", f"{place}: {ended['reason']}"
            assert ends(ended) == 1, ended["history"]
            counts[place] += len(list(marks.iterdir()))
            wait_for(lambda s=service: not s.worker_pids(), what="no worker is left")
        finally:
            service.close()
        run = shop.run("broken")
        assert not list(run.checkpoints.glob(".*")) or place == "checkpoint.files_written"
        assert all(c.manifest for c in list_checkpoints(run)), "a checkpoint is half there"

    straight = new_job_folder(shop, "train", "straight", {"to_epoch": trains})
    assert work(straight, timeout=3600).returncode == 0, read_result(straight)
    broken, whole = shop.run("broken"), shop.run("straight")
    assert bits(broken) == bits(whole), f"seed {seed}"
    assert metrics_without_clocks(broken) == metrics_without_clocks(whole), f"seed {seed}"
    assert [verify(c.folder) for c in list_checkpoints(broken)] == [None] * len(list_checkpoints(broken))
    sets = [p for p in broken.samples.iterdir() if not p.name.startswith(".")]
    assert len(sets) == KILLS - trains
    for place, count in sorted(counts.items()):
        print(f"{count:4}  {place}")
    assert sum(counts.values()) >= KILLS, counts


def test_two_services_together_are_one(shop: Home) -> None:
    rounds = 50 if KILLS > 20 else 5
    service = Service(shop, SHIPPED)
    for _ in range(rounds):
        pids: list[int | None] = []
        barrier = threading.Barrier(2)

        def start(barrier: threading.Barrier = barrier, pids: list[int | None] = pids) -> None:
            barrier.wait()
            with ensure_engine(shop, "test") as client:
                pids.append(client.request("status")["pid"])

        threads = [threading.Thread(target=start) for _ in range(2)]
        # The environment belongs to both threads: it is set around them, not by each.
        with service.surroundings():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert len(pids) == 2
        assert len(set(pids)) == 1
        service.kill()
        assert not is_locked(shop.engine_lock)


def test_a_garbage_database_is_set_aside_and_the_queue_comes_back(shop: Home) -> None:
    tiny_run(shop, "kept", 2)
    service = Service(shop, SHIPPED, OMP_NUM_THREADS="1")
    try:
        job = service.request("train", target="kept", to_epoch=1)["job"]["id"]
        assert service.until(job, timeout=120)["state"] == "done"
        service.kill()
        shop.queue_db.write_bytes(b"not a database" * 100)
        again = service.job(job)
        assert again["state"] == "done"
        assert list(shop.root.glob("queue.db.*")), "the garbage is kept aside"
        problems = " ".join(service.request("status")["problems"])
        assert "it is kept as queue.db.damaged" in problems
        assert shop.run("kept").checkpoints.exists()
    finally:
        service.close()
