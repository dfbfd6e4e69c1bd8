"""Packing that is killed, stopped or done by two at once goes on to the same bytes."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from engine.base import files
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.data import catalog
from engine.data.manifest import verify_packed
from engine.data.packing import PackingStoppedError, pack
from tests.engine.data.packed_cats import SIZE, digests, run_pack

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    "place",
    [
        "pack.pixels:1",
        "pack.block:1",
        "pack.pixels:3",
        "pack.block:3",
        "pack.block:5",
        "pack.rename",
        "pack.manifest",
    ],
)
def test_killed_anywhere_it_goes_on_to_the_same_bytes(
    home: Home, cats: Path, undisturbed: dict[str, str], place: str
) -> None:
    catalog.add_source(home, cats)
    child = run_pack(home, f"{place}=kill")
    assert child.returncode == -signal.SIGKILL
    folder = catalog.packed_folder(home, "cats", SIZE, "box128", None)
    told: list[int] = []
    assert pack(home, "cats", SIZE, "box128", report=lambda done, *_: told.append(done)) == folder
    assert digests(folder) == undisturbed
    finished = {"pack.block:3": 192, "pack.pixels:3": 128, "pack.block:5": 300, "pack.rename": 300}
    if place in finished:
        assert told[0] == finished[place]


def test_killed_twice_and_with_torn_files(home: Home, cats: Path, undisturbed: dict[str, str]) -> None:
    """As a power cut may leave them: a journal that says more than the pictures hold, and half a line."""
    catalog.add_source(home, cats)
    assert run_pack(home, "pack.block:2=kill").returncode == -signal.SIGKILL
    assert run_pack(home, "pack.block:2=kill").returncode == -signal.SIGKILL  # four blocks now
    folder = catalog.packed_folder(home, "cats", SIZE, "box128", None)
    part, journal = folder.path / "pictures.u8.part", folder.path / "journal.jsonl"
    assert part.stat().st_size == (4 * 64 - 2) * 3 * SIZE * SIZE
    content = bytearray(part.read_bytes())
    content[70 * 3 * SIZE * SIZE] ^= 0xFF  # in the second block
    part.write_bytes(content)
    journal.write_bytes(journal.read_bytes() + b'{"block": 4, "go')
    told: list[int] = []
    pack(home, "cats", SIZE, "box128", report=lambda done, *_: told.append(done))
    assert told[0] == 64
    assert digests(folder) == undisturbed


def test_decoders_do_not_outlive_a_killed_packer(home: Home, cats: Path) -> None:
    catalog.add_source(home, cats)
    child = run_pack(home, wait=False)
    assert child.stdout is not None
    child.stdout.readline()  # it has begun
    decoders: list[psutil.Process] = []
    sessions: set[int] = set()
    for _ in range(12_000):
        decoders = psutil.Process(child.pid).children(recursive=True)
        sessions = {os.getsid(decoder.pid) for decoder in decoders}
        if len(decoders) == 2 and os.getsid(child.pid) not in sessions:
            break
        time.sleep(0.005)
    assert len(decoders) == 2
    assert os.getsid(child.pid) not in sessions  # Ctrl-C is not for them
    child.send_signal(signal.SIGKILL)
    child.wait()
    _, alive = psutil.wait_procs(decoders, timeout=60)
    assert alive == []


def test_a_killed_decoder_is_an_error_and_not_a_hang(home: Home, cats: Path) -> None:
    catalog.add_source(home, cats)

    def kill_decoders(done: int, total: int, text: str) -> None:
        if done:
            for decoder in living_decoders():
                decoder.kill()

    with pytest.raises(
        DdpmError, match=r"decoding process ended unexpectedly.*start it again to continue from there"
    ):
        pack(home, "cats", SIZE, "box128", report=kill_decoders, processes=2)
    pack(home, "cats", SIZE, "box128")


def living_decoders() -> list[psutil.Process]:
    """Of this process; other tests in it may have left children of other kinds."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ZombieProcess is one
            if "engine.data.decoder" in child.cmdline():
                found.append(child)
    return found


def test_stopping_and_going_on(home: Home, cats: Path, undisturbed: dict[str, str]) -> None:
    catalog.add_source(home, cats)
    seen = 0

    def report(done: int, total: int, text: str) -> None:
        nonlocal seen
        seen = done

    with pytest.raises(PackingStoppedError, match="stopped at 128 of 300"):
        pack(home, "cats", SIZE, "box128", report=report, should_stop=lambda: seen >= 128, processes=1)
    assert digests(pack(home, "cats", SIZE, "box128")) == undisturbed
    assert not living_decoders()


def test_a_second_packer_waits_and_then_has_it_too(home: Home, cats: Path) -> None:
    catalog.add_source(home, cats)
    folder = catalog.packed_folder(home, "cats", SIZE, "box128", None)
    said: list[str] = []
    folder.path.mkdir()
    lock = files.FileLock.try_acquire(folder.lock)
    assert lock is not None
    lock.describe("process 7, which packs cats")

    def second() -> None:
        pack(home, "cats", SIZE, "box128", report=lambda done, total, text: said.append(text))

    waiter = threading.Thread(target=second)
    waiter.start()
    while not said:
        time.sleep(0.01)
    assert said[0] == "waiting for process 7, which packs cats"
    with pytest.raises(PackingStoppedError):
        pack(home, "cats", SIZE, "box128", should_stop=lambda: True)
    lock.release()
    waiter.join(60)
    assert verify_packed(folder) == []


def test_two_real_packers_at_once(home: Home, cats: Path, undisturbed: dict[str, str]) -> None:
    catalog.add_source(home, cats)
    both = [run_pack(home, wait=False) for _ in range(2)]
    outputs = [child.communicate(timeout=120)[0].decode() for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert digests(catalog.packed_folder(home, "cats", SIZE, "box128", None)) == undisturbed
    assert sum("300 packing cats" in output for output in outputs) == 1
