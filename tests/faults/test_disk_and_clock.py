"""The shipped worker on a disk that fills up at any moment, and under a clock that is set while it works.

A few tries by default; `make soak` sets DDPM_SOAK, and as many are made. The seed is printed: DDPM_SOAK_SEED repeats a
run. The small disk is a tmpfs, which only root can make: without one the tests of it are skipped.
"""

import contextlib
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.errors import DiskFullError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.data.catalog import add_source, packed_folder
from engine.data.manifest import verify_packed
from engine.jobs.files import EXIT_DISK_FULL, read_progress, read_result
from engine.runs.checkpoints import list_checkpoints, verify
from tests.tiny import bits, job, make_run, metrics_without_clocks, work

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(5400)]

SOAK = int(os.environ.get("DDPM_SOAK", "0"))
FULL_DISKS = SOAK or 3
KILLED_PACKINGS = SOAK or 3
CLOCKS = max(1, SOAK // 40)
ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 2
LASTS_S = 2.0
"""About how long a forked worker trains so far."""


def dice() -> tuple[int, random.Random]:
    seed = int(os.environ.get("DDPM_SOAK_SEED", random.SystemRandom().randrange(10**6)))
    return seed, random.Random(seed)


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of `size` bytes mounted at `folder`."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Balloon:
    """A file that takes all the room there is from a random moment on, until it is let go."""

    def __init__(self, disk: Path, after_s: float) -> None:
        self._path = disk / "balloon"
        self._timer = threading.Timer(after_s, self._swell)
        self._timer.start()

    def _swell(self) -> None:
        with contextlib.suppress(OSError), open(self._path, "wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 12))

    def let_go(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._path.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def undisturbed(
    pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, str], list[dict]]:
    """SHA-256 of the weights, and the metrics, of the run on a disk with room."""
    home = Home(tmp_path_factory.mktemp("straight") / "home").create()
    add_source(home, pictures, "dots")
    run = make_run(home, "r")
    assert work(job(home, run, EPOCHS)).returncode == 0
    return bits(run), metrics_without_clocks(run)


def whole(run: RunFolder) -> None:
    """Nothing is half there: every checkpoint that shows is what its manifest says."""
    for info in list_checkpoints(run):
        assert info.manifest, info.problem
        assert verify(info.folder) is None


def test_a_disk_that_fills_up_and_is_emptied_changes_no_bit(
    tmp_path: Path, pictures: Path, undisturbed: tuple[dict[str, str], list[dict]]
) -> None:
    seed, random_ = dice()
    counts: Counter[str] = Counter()
    try:
        for number in range(FULL_DISKS):
            with small_disk(tmp_path / f"disk-{number}", random_.randrange(20 << 20, 40 << 20)) as disk:
                home = Home(disk / "home").create()
                add_source(home, pictures, "dots")
                run = make_run(home, "r")
                for attempt in range(6):
                    balloon = Balloon(disk, random_.uniform(0.0, LASTS_S) if attempt < 2 else 600.0)
                    task = job(home, run, EPOCHS)
                    try:
                        ended = work(task, timeout=300)
                    except DiskFullError:
                        counts["no room for the job itself"] += 1
                        continue
                    finally:
                        balloon.let_go()
                    said = ended.stdout + ended.stderr
                    assert ended.returncode in (0, EXIT_DISK_FULL), f"seed {seed}, disk {number}: {said}"
                    assert "Traceback" not in said, f"seed {seed}, disk {number}: {said}"
                    result = read_result(task)
                    assert result is None or result.exit_code == ended.returncode
                    whole(run)
                    counts["done" if ended.returncode == 0 else "73"] += 1
                    if result is None:
                        counts["73 that could not be written down"] += 1
                    if ended.returncode == 0:
                        break
                assert (bits(run), metrics_without_clocks(run)) == undisturbed, f"seed {seed}, disk {number}"
                assert not [p for p in run.checkpoints.iterdir() if p.name.startswith(".")]
    finally:
        print(f"\nseed {seed}, {FULL_DISKS} disks that filled up: {dict(counts)}")


PACK = """
import sys
from pathlib import Path
from ddpm_tui.cli.main import run
sys.exit(run(["data", "add", sys.argv[1], "--name", "dots", "--size", "16", "--size", "8"]))
"""


def packed(home: Home) -> dict[str, bytes]:
    """Every file of the packed folders by its place, but the locks; and what else is beside them."""
    folders = [packed_folder(home, "dots", size, "whole", None) for size in (16, 8)]
    for folder in folders:
        assert verify_packed(folder) == []
    paths = [p for p in sorted(home.data.rglob("*")) if p.is_file() and p.name != "lock"]
    return {str(p.relative_to(home.data)): p.read_bytes() for p in paths if p.name != "source.json"}


def add(home: Home, pictures: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", PACK, str(pictures)],
        env={**os.environ, "DDPM_HOME": str(home.root), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_data_add_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path: Path, many_pictures: Path) -> None:
    seed, random_ = dice()
    straight = Home(tmp_path / "straight").create()
    started = time.monotonic()
    assert add(straight, many_pictures).wait(120) == 0
    lasts = time.monotonic() - started
    expected = packed(straight)
    counts: Counter[str] = Counter()
    try:
        for number in range(KILLED_PACKINGS):
            home = Home(tmp_path / f"home-{number}").create()
            for _ in range(random_.randint(1, 3)):
                child = add(home, many_pictures)
                time.sleep(random_.uniform(0.0, lasts))
                # The command and its worker at once, as a machine that goes down takes them.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, 9)
                for pid in _workers(home):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)
                counts["killed" if child.wait(60) else "done before it"] += 1
            assert add(home, many_pictures).wait(120) == 0, f"seed {seed}, home {number}"
            assert packed(home) == expected, f"seed {seed}, home {number}"
    finally:
        print(f"\nseed {seed}, {KILLED_PACKINGS} homes packed after kills: {dict(counts)}")


def _workers(home: Home) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if str(home.root).encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


JUMPING = """
import os, random, time
_dice, _real, _shift = random.Random(os.environ["TEST_CLOCK_SEED"]), time.time, [0.0]
def _jump():
    if _dice.random() < 0.3:
        _shift[0] += _dice.choice([-1, 1]) * _dice.choice([1.0, 61.0, 3601.0, 86401.0, 3e7])
    return _real() + _shift[0]
time.time = _jump
time.time_ns = lambda: int(_jump() * 1e9)
"""


def test_a_clock_that_jumps_while_a_run_trains(
    tmp_path: Path,
    pictures: Path,
    undisturbed: tuple[dict[str, str], list[dict]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed, _ = dice()
    customized = tmp_path / "jumping"
    customized.mkdir()
    (customized / "sitecustomize.py").write_text(JUMPING)
    monkeypatch.setenv("PYTHONPATH", f"{customized}:{ROOT}")
    for number in range(CLOCKS):
        monkeypatch.setenv("TEST_CLOCK_SEED", f"{seed}-{number}")
        home = Home(tmp_path / f"home-{number}").create()
        add_source(home, pictures, "dots")
        run = make_run(home, "r", training={"checkpoint_minutes": 0.002, "keep_last": 100})
        task = job(home, run, EPOCHS)
        ended = work(task, afresh=True)
        assert ended.returncode == 0, f"seed {seed}-{number}: {ended.stdout}{ended.stderr}"
        lines = metrics_and_clocks(run)
        times = [line["time"] for line in lines if "time" in line]
        assert times != sorted(times), "the clock did not jump back"
        assert max(b - a for a, b in itertools.pairwise(times)) > 30, "the clock did not jump ahead"
        assert all((line["images_per_s"] or 1) > 0 for line in lines if line["kind"] == "train")
        assert all(0 <= line["seconds"] < 120 for line in lines if line["kind"] == "epoch")
        progress = read_progress(task)
        assert progress is not None
        assert (progress.eta_s or 0.0) >= 0
        assert bits(run) == undisturbed[0], "the clock is in the weights"
        assert len(list_checkpoints(run)) > EPOCHS, "a rolling checkpoint was missed"
    print(f"\nseed {seed}, {CLOCKS} runs under a clock that jumped")


def metrics_and_clocks(run: RunFolder) -> list[dict]:

    return [json.loads(line) for line in run.metrics.read_text().splitlines()]
