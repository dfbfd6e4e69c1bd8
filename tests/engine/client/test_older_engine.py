"""An engine that an older program left running: who talks to it is told so, and it can be restarted."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.store import LiveStore
from engine.base.files import is_locked, lock_holder
from engine.base.home import Home
from engine.base.version import VERSION, is_older
from engine.client.asynchronous import AsyncClient
from engine.client.ending import restart_engine, stop_engine
from engine.client.sync import Client
from engine.service.protocol import VersionError

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OLDER = """
import sys
from engine.base import version
version.VERSION = "0.0.9"
from engine.service import daemon, protocol
protocol.PROTOCOL = protocol.OLDEST = {protocol}
sys.exit(daemon.main(["--foreground", sys.argv[1]]))
"""
"""The service as an older program would run it."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = Home(tmp_path / "h").create()
    monkeypatch.setenv("DDPM_HOME", str(home.root))
    monkeypatch.setenv("DDPM_KEEPER", "itself")
    yield home
    stop_engine(home)


@pytest.fixture(params=[1])
def older(home: Home, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[bytes]"]:
    code = OLDER.format(protocol=request.param)
    process = subprocess.Popen([sys.executable, "-c", code, str(home.root)])
    try:
        while not (home.socket.is_socket() and is_locked(home.engine_lock)):
            assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


def ddpm(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ddpm_tui", *words],
        env=os.environ,
        text=True,
        capture_output=True,
        check=False,
    )


LINE = (
    f"note: the running engine is of ddpm-tui 0.0.9, but this is {VERSION} — `ddpm-tui engine restart` replaces it; "
    "its jobs continue"
)


def test_commands_say_it_once_and_go_on(older: "subprocess.Popen[bytes]") -> None:
    done = ddpm("queue", "list", "--json")
    assert (done.returncode, done.stderr.splitlines()) == (0, [LINE])
    assert '"jobs"' in done.stdout


def test_a_restart_puts_this_programs_engine_in_its_place(
    home: Home, older: "subprocess.Popen[bytes]"
) -> None:
    done = ddpm("engine", "restart")
    assert done.returncode == 0, done.stderr
    assert older.wait(10) == 0
    with Client(home) as client:
        assert client.engine["version"] == VERSION
        assert client.outdated == ""
    assert ddpm("queue", "list").stderr == ""


@pytest.mark.parametrize("older", [0], indirect=True)
def test_one_that_cannot_be_talked_to_is_restarted_too(home: Home, older: "subprocess.Popen[bytes]") -> None:
    with pytest.raises(VersionError, match="ddpm-tui engine restart"):
        Client(home)
    said = ddpm("queue", "list")
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    done = ddpm("engine", "restart")
    assert done.returncode == 0, done.stderr
    assert older.wait(10) == 0
    with Client(home) as client:
        assert client.engine["version"] == VERSION


async def test_the_screen_knows_it_and_comes_back_after_a_restart(
    home: Home, older: "subprocess.Popen[bytes]"
) -> None:
    store, seen = LiveStore(home, AsyncClient(home), period=0.05), [Snapshot()]
    store.start(seen.append)
    try:
        async with asyncio.timeout(60):
            while not seen[-1].engine.old:
                await asyncio.sleep(0.02)
            (await asyncio.to_thread(restart_engine, home)).close()
            while seen[-1].engine.link != "connected" or seen[-1].engine.old:
                await asyncio.sleep(0.02)
    finally:
        await store.close()
    assert seen[-1].engine.version == VERSION


def test_a_restart_without_an_engine_starts_one(home: Home) -> None:
    assert ddpm("engine", "restart").returncode == 0
    assert (lock_holder(home.engine_lock) or "").startswith("pid ")


@pytest.mark.parametrize(
    ("theirs", "ours", "older"),
    [
        ("0.0.9", "0.1.0", True),
        ("0.9.0", "0.10.0", True),
        ("0.1", "0.1.0", False),
        ("0.1.0", "0.1.0", False),
        ("0.2.0", "0.1.0", False),
        ("unknown", "0.1.0", False),
        ("", "0.1.0", False),
    ],
)
def test_versions_are_compared_by_number(theirs: str, ours: str, older: bool) -> None:
    assert is_older(theirs, ours) is older
