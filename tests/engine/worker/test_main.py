"""What a worker says of its job's end, whatever the end was."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.jobs.context import Work
from engine.jobs.files import Result, new_job_folder, read_result, read_spec
from engine.worker import main as worker


def ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str = "sample"
) -> tuple[Result, str]:
    """How a job that raises `error` ended, and what it said."""

    def fail(_: Work) -> Result:
        raise error

    monkeypatch.setattr(worker, "_listen", lambda _: None)
    monkeypatch.setattr(worker, "load", lambda _: fail)
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
    assert result.hint == "`ddpm-tui doctor` says how to fix it"
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
        ("sample", "out of memory", "use a smaller --batch"),
        ("evaluate", "out of memory", "use a smaller --batch"),
        ("estimate", "out of memory", "use a smaller model or size"),
        ("pack", "out of memory", "close other programs and run it again"),
    ],
)
def test_out_of_memory_names_what_takes_less_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str, hint: str
) -> None:
    result, _ = ended(tmp_path, monkeypatch, MemoryError(), kind)
    assert (result.outcome, result.message) == ("failed", message)
    assert hint in str(result.hint)


MISSING = 'raise ImportError("libcudart.so.12: cannot open shared object file\\nand more")'


@pytest.mark.parametrize(
    ("kind", "module", "why"),
    [
        ("train", MISSING, "libcudart.so.12: cannot"),
        ("sample", 'raise OSError("[WinError 126] not found")', "[WinError 126]"),
        ("evaluate", "raise RuntimeError()", "RuntimeError"),
        ("estimate", "def", "invalid syntax"),
        ("bench", MISSING, "libcudart.so.12: cannot"),
    ],
)
def test_a_torch_that_cannot_be_imported_is_said_in_the_result(
    tmp_path: Path, kind: str, module: str, why: str
) -> None:
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(module + "\n")
    folder = new_job_folder(Home(tmp_path / "home").create(), kind, "r", {})
    ended = subprocess.run(
        [sys.executable, "-m", "engine.worker", str(folder.path)],
        env={**os.environ, "PYTHONPATH": f"{broken.parent}:{Path(__file__).parents[3]}"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    result = read_result(folder)
    assert result is not None, ended.stderr
    assert (ended.returncode, result.outcome, result.exit_code) == (1, "failed", 1)
    assert result.message.startswith("torch cannot be imported: ")
    assert why in result.message
    assert "\n" not in result.message
    assert "pip install" in str(result.hint)
    assert "bug" not in str(result.hint)
