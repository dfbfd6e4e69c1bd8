"""`queue wait` ends as the job does, with the same codes as a job in the foreground."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.base.home import Home
from tests.engine.service.support import Service, make_home, make_run

SCRIPT = Path(__file__).with_name("scripted_worker.py")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[[str], Service]]:
    """An engine whose workers act out one ending."""
    made: list[Service] = []

    def start(act: str) -> Service:
        home: Home = make_home(tmp_path / "home", crash_limit=1)
        make_run(home)
        made.append(Service(home, [sys.executable, "-P", str(SCRIPT)], DDPM_ACT=act))
        return made[-1]

    yield start
    for service in made:
        service.close()


@pytest.mark.parametrize(
    ("act", "expected", "state"),
    [("done", 0, "done"), ("failed", 1, "failed"), ("full", 73, "paused"), ("crash", 1, "held")],
)
def test_the_exit_code_is_the_jobs(
    engine: Callable[[str], Service], act: str, expected: int, state: str
) -> None:
    service = engine(act)
    job = service.request("train", target="r", to_epoch=2)["job"]["id"]
    waited = service.command_line("queue", "wait", job, "--timeout", "30", check=False)
    assert waited.returncode == expected, waited.stderr
    assert waited.stdout == ""
    assert f"1  {state}  " in waited.stderr.splitlines()[-1]


def test_giving_up_is_a_failure(engine: Callable[[str], Service]) -> None:
    service = engine("waits")
    job = service.request("train", target="r", to_epoch=2)["job"]["id"]
    waited = service.command_line("queue", "wait", job, "-q", "--timeout", "0.5", check=False)
    assert (waited.returncode, waited.stdout, waited.stderr) == (1, "", "")


def test_without_ids_all_that_work_or_wait_are_waited_for(engine: Callable[[str], Service]) -> None:
    service = engine("failed")
    assert service.command_line("queue", "wait", "--timeout", "30").stderr == ""
    service.request("hold_queue", on=True)
    jobs = [service.request("add", kind="sample", args={})["job"]["id"] for _ in range(3)]
    service.request("pause", ids=jobs[:1])
    command = [sys.executable, "-m", "ddpm_tui.cli.main", "queue", "wait", "--timeout", "30"]
    with service.surroundings(), subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stderr is not None
        assert [waiting.stderr.readline().split()[:2] for _ in range(2)] == [["2", "queued"], ["3", "queued"]]
        service.request("hold_queue", on=False)
        assert waiting.wait(timeout=60) == 1
    assert [service.job(job)["state"] for job in jobs] == ["paused", "failed", "failed"]
