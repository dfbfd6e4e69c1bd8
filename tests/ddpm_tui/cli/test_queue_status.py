"""The queue in one line and the list that is drawn anew: what they say, and that they start nothing."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pexpect
import pytest

from ddpm_tui.cli.queue_status import status_line
from engine.base.home import Home
from tests.ddpm_tui.fakes import NOW, training
from tests.engine.service.support import Service, add, close_gate, make_home, open_gate, wait_for

from .conftest import Cli


def job(state: str, kind: str = "train", **progress: Any) -> dict[str, Any]:
    told = asdict(training(**progress)) if progress else None
    return {"state": state, "kind": kind, "run": "r-1", "title": f"{kind} r-1@latest", "progress": told}


@pytest.mark.parametrize(
    ("jobs", "on_hold", "engine", "line"),
    [
        ([], False, True, "idle"),
        ([job("done"), job("failed")], False, True, "idle"),
        ([job("queued"), job("held"), job("paused")], True, True, "idle, 1 waiting, 1 held, queue on hold"),
        ([job("queued")], False, False, "idle, 1 waiting for the engine"),
        ([job("starting")], False, True, "r-1 starting"),
        ([job("running", time=NOW)], False, True, "r-1 epoch 12.4/25, loss 0.0613, 13 min left"),
        ([job("running", time=NOW, loss=None)], False, True, "r-1 epoch 12.4/25, 131/s, 13 min left"),
        ([job("running", time=NOW - 45)], False, True, "r-1 epoch 12.4/25, no sign of life for 45 s"),
        (
            [
                job("running", "sample", time=NOW, epoch=None, loss=None, done=32, total=64, eta_s=None),
                job("running", "evaluate", time=NOW, phase="evaluating", epoch=None, total=0, loss=0.512),
                job("queued"),
            ],
            False,
            True,
            "sample r-1@latest 32/64, 131/s, evaluate r-1@latest evaluating, loss 0.512, 13 min left, 1 waiting",
        ),
    ],
)
def test_the_line(
    jobs: list[dict[str, Any]], on_hold: bool, engine: bool, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert status_line(jobs, on_hold, engine) == line


def test_a_home_that_is_not_there_is_idle_and_stays_so(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "none")
    monkeypatch.setenv("DDPM_HOME", str(home.root))
    assert (cli("queue", "status").out, home.root.exists()) == ("idle\n", False)


@pytest.fixture
def service(tmp_path: Path, services: Callable[..., Service]) -> Service:
    return services(make_home(tmp_path / "home"))


@pytest.fixture
def services() -> Any:
    made: list[Service] = []
    yield lambda home: made.append(Service(home)) or made[-1]
    for service in made:
        service.close()


def test_with_an_engine_and_without(service: Service) -> None:
    def line() -> str:
        return service.command_line("queue", "status").stdout

    close_gate(service.home, "g")
    first = add(service, gate="g")
    service.until(first, "running")
    add(service)
    wait_for(lambda: line() == "sample starting, 1 waiting\n")
    service.kill()
    assert line() == "sample starting, 1 waiting for the engine\n"
    open_gate(service.home, "g")
    wait_for(lambda: not service.worker_pids())
    assert line() == "idle, 2 waiting for the engine\n"
    assert service.pid is None, "it started an engine"


def test_a_watched_list_is_drawn_over_and_starts_no_engine_anew(service: Service) -> None:
    close_gate(service.home, "g")
    service.until(add(service, gate="g"), "running")
    with service.surroundings(TERM="xterm"):
        watching = pexpect.spawn(
            sys.executable,
            ["-m", "ddpm_tui.cli.main", "queue", "list", "--watch"],
            timeout=60,
            dimensions=(24, 90),
        )
        watching.expect("Ctrl-C ends it.*running")
        open_gate(service.home, "g")
        watching.expect("\x1b\\[1A\x1b\\[2K.*done")
        service.kill()
        watching.expect("no engine answers.*done")
        watching.sendintr()
        watching.expect(pexpect.EOF)
        watching.close()
    assert watching.exitstatus == 130
    assert service.pid is None


def test_watching_without_a_terminal_prints_once(service: Service) -> None:
    said = service.command_line("queue", "list", "--watch")
    assert said.stdout.startswith("The queue is empty")
    assert said.stderr.splitlines() == [
        "--watch needs a terminal that can move its cursor; the list is printed once"
    ]
    both = service.command_line("queue", "list", "--watch", "--json", check=False)
    assert (both.returncode, both.stdout) == (2, "")
