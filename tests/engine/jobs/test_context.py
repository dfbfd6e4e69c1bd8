"""What a job has at hand: progress often enough and not too often, words for people, and the wish to stop."""

import errno
import io
import time
from pathlib import Path

import pytest

from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.base.scarcity import ScarceError
from engine.jobs.context import Stopped, Work
from engine.jobs.files import new_job_folder, read_progress, read_spec


class Clocks:
    """A wall clock and a monotonic one that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = 1_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return new_job_folder(Home(tmp_path / "home").create(), "sample", "r", {"n": 4})


@pytest.fixture
def work(folder: JobFolder) -> Work:
    return Work(Home(folder.path.parent.parent), folder, read_spec(folder), io.StringIO())


def written(work: Work) -> int:
    progress = read_progress(work.folder)
    assert progress is not None
    return progress.done


def test_progress_is_written_four_times_a_second(work: Work, clocks: Clocks) -> None:
    seen = []
    for step in range(1, 21):
        work.report("training", step, 100)
        seen.append(written(work))
        clocks.passes(0.1)
    assert sorted(set(seen)) == [1, 4, 7, 10, 13, 16, 19]


def test_the_clock_set_back_does_not_silence_progress(work: Work, clocks: Clocks) -> None:
    work.report("training", 1, 100)
    clocks.wall -= 3600
    clocks.passes(0.3)
    work.report("training", 2, 100)
    assert written(work) == 2


def test_the_first_a_new_phase_and_the_end_are_written_at_once(work: Work, clocks: Clocks) -> None:
    work.report("starting", 0, 0)  # the phase that a fresh progress has already
    assert read_progress(work.folder) is not None
    work.report("training", 1, 3)
    assert written(work) == 1
    work.report("training", 2, 3)
    assert written(work) == 1
    work.report("training", 3, 3)
    assert written(work) == 3


def test_facts_stay_until_they_change(work: Work, clocks: Clocks) -> None:
    work.report("training", 1, 3, loss=0.5, device="cpu")
    clocks.passes(1)
    work.report("validating", 2, 3, loss=0.4)
    progress = read_progress(work.folder)
    assert progress is not None
    assert (progress.phase, progress.loss, progress.device) == ("validating", 0.4, "cpu")
    assert progress.time == 1_000_001.0


def test_what_is_said_goes_to_the_log_and_to_who_listens(work: Work) -> None:
    heard: list[str] = []
    with work.also_saying(heard.append):
        work.say("inside")
    work.say("outside")
    stream = work._stream
    assert isinstance(stream, io.StringIO)
    lines = stream.getvalue().splitlines()
    assert [line[20:] for line in lines] == ["inside", "outside"]
    assert heard == lines[:1]


def test_a_listener_that_fails_is_let_go(work: Work) -> None:
    def breaks(line: str) -> None:
        raise ValueError(line)

    with pytest.raises(ValueError, match="oops"), work.also_saying(breaks):
        work.say("oops")
    work.say("fine")


def test_stopping(work: Work) -> None:
    work.raise_if_stopping()
    work.stop("SIGTERM")
    with pytest.raises(Stopped, match="stopped by SIGTERM — run it again; it starts from the beginning"):
        work.raise_if_stopping()


def test_a_shortage_is_waited_out_and_other_errors_are_not(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    heard: list[str] = []
    answers: list[object] = [
        OSError(errno.EMFILE, "x", "a"),
        ScarceError("b"),
        OSError(errno.ENFILE, "x"),
        "there",
    ]

    def ask() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with work.also_saying(heard.append):
        assert work.patiently(ask) == "there"
    assert waits == [0.1, 0.2, 0.4]
    assert [line[20:35] for line in heard] == ["waiting: a: too"]
    for error in (OSError(errno.ENOSPC, "x"), MemoryError(), ValueError("x")):
        answers[:] = [error]
        with pytest.raises(type(error)):
            work.patiently(ask)
    answers[:] = [OSError(errno.EMFILE, "x")]
    with pytest.raises(OSError, match="x"):
        work.patiently(ask, most_s=0)
    assert len(waits) == 3
