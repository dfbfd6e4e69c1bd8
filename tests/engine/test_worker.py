"""What a worker says of its job's end, whatever the end was."""

import errno
import io
import os
from pathlib import Path

import pytest

from engine import worker
from engine.home import Home
from engine.jobs import Result, new_job_folder, read_result, read_spec
from engine.work import Work


def ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str = "sample"
) -> tuple[Result, str]:
    """How a job that raises `error` ended, and what it said."""

    def fail(_: Work) -> Result:
        raise error

    monkeypatch.setattr(worker, "_listen", lambda _: None)
    monkeypatch.setitem(worker.KINDS, kind, fail)
    home, said = Home(tmp_path / "home").create(), io.StringIO()
    folder = new_job_folder(home, kind, "r", {})
    worker.work_on(Work(home, folder, read_spec(folder), said))
    result = read_result(folder)
    assert result is not None
    return result, said.getvalue()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO])
def test_a_file_that_is_not_ours_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    result, said = ended(tmp_path, monkeypatch, OSError(number, os.strerror(number), "/x/lock"))
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert result.message == f"/x/lock: {os.strerror(number).lower()}"
    assert result.hint == "`ddpm-tui doctor` says what to mend"
    assert "Traceback" in said, "the log keeps where it happened"


def test_a_bug_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, said = ended(tmp_path, monkeypatch, ZeroDivisionError("division"))
    assert result.message == "ZeroDivisionError: division"
    assert "this is a bug in ddpm-tui" in str(result.hint)
    assert "Traceback" in said


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        (
            "train",
            "out of memory, even with the smallest micro-batch",
            "training.activation_checkpointing=true",
        ),
        ("sample", "out of memory", "fewer pictures at once with --batch"),
        ("evaluate", "out of memory", "fewer pictures at once with --batch"),
        ("estimate", "out of memory", "use a smaller model or size"),
        ("pack", "out of memory", "end other programs and run it again"),
    ],
)
def test_out_of_memory_names_what_takes_less_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str, hint: str
) -> None:
    result, _ = ended(tmp_path, monkeypatch, MemoryError(), kind)
    assert (result.outcome, result.message) == ("failed", message)
    assert hint in str(result.hint)
