"""From the slot to the device that torch is told to use, with the shipped worker: only torch's facts are injected."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.data.catalog import add_source
from engine.jobs.files import read_result
from tests import tiny

from .support import Service, add, change, make_home

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

WITH_CARDS = [sys.executable, "-P", str(Path(__file__).with_name("worker_with_cards.py"))]


@pytest.fixture
def shop(tmp_path: Path, pictures: Path) -> Home:
    home = make_home(tmp_path / "home", devices=["cpu"])
    add_source(home, pictures, "dots")
    return home


def use(home: Home, *devices: str) -> None:
    """Other slots from the next job on."""
    home.settings.write_text(f"[queue]\nretry_delay_s = 0.0\ndevices = {json.dumps(devices)}\n")


def plans(service: Service, jobs: list[str]) -> list[tuple[str, str, str]]:
    """Of estimates: the slot, the card that torch would compute on, and what torch calls it."""
    found = []
    for job in jobs:
        ended = service.until(job, timeout=180)
        assert ended["state"] == "done", ended["reason"]
        plan = read_result(service.home.job(job)).extra["plan"]  # type: ignore[union-attr]
        slot = next(e["reason"] for e in ended["history"] if e["after"] == "starting").removeprefix(
            "starting on "
        )
        found.append((slot, plan["device_name"] if slot != "cpu" else "", plan["device"]))
    return sorted(found)


def estimate(service: Service, device: str = "auto", wish: str = "auto") -> str:
    """An estimate of a profile that asks for the device `wish`, queued with --device."""
    profile = {**tiny.TINY, "training": {**tiny.TINY["training"], "device": wish}}
    return add(service, "estimate", profile=profile, measure=False, device=device)


def test_two_slots_are_two_cards_also_of_those_that_the_user_lets_us_see(
    shop: Home, services: Callable[..., Service]
) -> None:
    use(shop, "cuda:0", "cuda:1")
    service = services(shop, command=WITH_CARDS, CUDA_VISIBLE_DEVICES="GPU-aa,GPU-bb", OMP_NUM_THREADS="1")
    service.request("hold_queue", on=True)
    jobs = [estimate(service), estimate(service), estimate(service, wish="cuda:1")]
    service.request("hold_queue", on=False)
    assert plans(service, jobs) == [
        ("cuda:0", "card GPU-aa", "cuda:0"),
        ("cuda:1", "card GPU-bb", "cuda:0"),
        ("cuda:1", "card GPU-bb", "cuda:0"),
    ]


def test_a_cpu_slot_takes_no_card_and_a_profile_finds_its_own(
    shop: Home, services: Callable[..., Service]
) -> None:
    use(shop, "cpu", "cuda:2")
    service = services(shop, command=WITH_CARDS, OMP_NUM_THREADS="1")
    jobs = [estimate(service, device="cpu"), estimate(service, device="cuda:2"), estimate(service)]
    assert plans(service, jobs) == [
        ("cpu", "", "cpu"), ("cuda:2", "card 2", "cuda:0"), ("cuda:2", "card 2", "cuda:0"),
    ]  # fmt: skip


def test_a_run_goes_on_where_it_began(shop: Home, services: Callable[..., Service]) -> None:
    """Begun on the CPU, trained there beside a free card; one that began on a card does not creep onto the CPU."""
    run = tiny.make_run(shop, "r", training={"chunk_epochs": 1})
    service = services(shop, command=WITH_CARDS, OMP_NUM_THREADS="1")
    first = service.request("train", target="r", to_epoch=1)["job"]["id"]
    ended = service.until(first, timeout=180)
    assert ended["state"] == "done", ended["reason"]
    record = json.loads(run.record.read_text())
    assert (record["frozen"]["plan"]["device"], record["frozen"]["device_kind"]) == ("cpu", "cpu")

    use(shop, "cuda:0", "cpu")
    second = service.request("train", target="r", to_epoch=2)["job"]["id"]
    ended = service.until(second, timeout=180)
    assert ended["state"] == "done", ended["reason"]
    assert "running on cpu" in [event["reason"] for event in ended["history"]]

    # As an earlier version left a run that began on a card.
    del record["frozen"]["device_kind"]
    record["frozen"]["plan"] |= {"device": "cuda:0", "device_name": "card 0"}
    write_sealed(run.record, record)
    use(shop, "cpu")
    third = service.request("train", target="r", to_epoch=3)["job"]["id"]
    wait = service.job(third)
    assert wait["state"] == "queued"
    assert "run r began on a GPU, and the queue has no cuda (slots: cpu)" in wait["waits"]
    change(service, "cancel", third)
    told = service.request("train", target="r", to_epoch=3, device="cpu")["job"]["id"]
    ended = service.until(told, timeout=180)
    assert ended["state"] == "done", ended["reason"]
    log = shop.job(told).log.read_text()
    assert "this run was on card 0" in log
    assert json.loads(run.record.read_text())["frozen"]["device_kind"] == "cuda", "where it began"


def test_what_is_drawn_on_a_cpu_slot_is_drawn_there(shop: Home, services: Callable[..., Service]) -> None:
    run = tiny.make_run(shop, "r")
    assert tiny.work(tiny.job(shop, run, 1)).returncode == 0
    service = services(shop, command=WITH_CARDS, OMP_NUM_THREADS="1")
    drawn = add(service, checkpoint="r@latest", n=2, steps=2)
    scored = add(service, "evaluate", checkpoint="r@latest", n=2, measures=["val_loss"])
    for job in (drawn, scored):
        ended = service.until(job, timeout=180)
        assert ended["state"] == "done", ended["reason"]
        assert "(cpu)" in shop.job(job).log.read_text()


def test_the_foreground_sees_what_it_is_told_to(shop: Home, services: Callable[..., Service]) -> None:
    (shop.profiles / "tiny.toml").write_text(
        "".join(f"[{name}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in section.items())
                for name, section in tiny.TINY.items())
    )  # fmt: skip
    service = services(shop, command=WITH_CARDS, CUDA_VISIBLE_DEVICES="5,7", OMP_NUM_THREADS="1")
    for arguments, device in (
        (["--device", "cuda:1"], "card 7 (cuda:1)"),
        (["--set", "training.device=cuda:1"], "card 7 (cuda:1)"),
        ([], "card 5 (cuda:0)"),
    ):
        done = service.command_line(
            "profiles", "estimate", "tiny", "--no-measure", *arguments, check=False, timeout=120
        )
        assert device in done.stdout, done
    refused = service.command_line(
        "profiles", "estimate", "tiny", "--no-measure", "--device", "cuda:2", check=False, timeout=120
    )
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no cuda:2: CUDA_VISIBLE_DEVICES=5,7 shows 2 cards" in refused.stderr
    cpu = service.command_line("profiles", "estimate", "tiny", "--no-measure", "--device", "cpu", timeout=120)
    assert "(cpu)" in cpu.stdout
