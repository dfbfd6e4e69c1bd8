"""A job's folder: ids that two processes never share, records that a reader can trust, and what damage looks like."""

import errno
import json
import multiprocessing
import os
from pathlib import Path

import pytest

from engine.base.errors import DamagedError, DiskFullError
from engine.base.files import FileLock
from engine.base.folders import JobFolder
from engine.base.home import Home
from engine.jobs import files as jobs
from engine.jobs.files import (
    Progress,
    Result,
    clear_result,
    is_running,
    list_job_folders,
    new_job_folder,
    read_progress,
    read_result,
    read_spec,
    write_progress,
    write_result,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def folder(home: Home) -> JobFolder:
    return new_job_folder(home, "sample", "r", {"n": 4}, "cuda:0", foreground=True, queue={"token": "t"})


def test_the_spec_comes_back(folder: JobFolder) -> None:
    spec = read_spec(folder)
    assert (spec.id, spec.kind, spec.run, spec.device) == ("000001", "sample", "r", "cuda:0")
    assert (spec.foreground, spec.args, spec.queue) == (True, {"n": 4}, {"token": "t"})
    assert spec.created > 1e9
    assert folder.path.stat().st_mode & 0o777 == 0o700


def test_ids_count_on_and_are_not_used_again(home: Home, folder: JobFolder) -> None:
    assert new_job_folder(home, "train", "r", {}).id == "000002"
    (home.jobs / "000007").mkdir()
    (home.jobs / "notes.txt").touch()
    assert new_job_folder(home, "train", "r", {}).id == "000008"
    assert [job.id for job in list_job_folders(home)] == ["000001", "000002", "000007", "000008"]
    assert not list(home.jobs.glob(".*"))


def test_more_than_a_million_are_still_in_order(home: Home) -> None:
    for name in ("999999", "1000000", "000002"):
        (home.jobs / name).mkdir()
    assert new_job_folder(home, "train", "r", {}).id == "1000001"
    assert [job.id for job in list_job_folders(home)] == ["000002", "999999", "1000000", "1000001"]


def test_an_id_that_another_process_was_quicker_to_take(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("000001", "000002"):
        (home.jobs / name).mkdir()
        (home.jobs / name / "spec.json").touch()
    monkeypatch.setattr(jobs, "_highest_id", lambda home: 0)
    made = new_job_folder(home, "train", "r", {})
    assert (made.id, read_spec(made).id) == ("000003", "000003")


def _make(root: str, count: int) -> list[str]:
    return [new_job_folder(Home(Path(root)), "train", "r", {}).id for _ in range(count)]


def test_two_processes_never_share_an_id(home: Home) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        made = [name for part in pool.starmap(_make, [(str(home.root), 25)] * 4) for name in part]
    assert sorted(made) == [f"{n:06d}" for n in range(1, 101)]
    assert all(read_spec(job).id == job.id for job in list_job_folders(home))


def test_no_room_leaves_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(jobs, "write_json", full)
    with pytest.raises(DiskFullError):
        new_job_folder(home, "train", "r", {})
    assert list(home.jobs.iterdir()) == []


def test_no_jobs_at_all(tmp_path: Path) -> None:
    assert list_job_folders(Home(tmp_path / "nowhere")) == []


def test_progress_and_result_come_back(folder: JobFolder) -> None:
    assert (read_progress(folder), read_result(folder)) == (None, None)
    progress = Progress("training", 3, 9, step=3, epoch=0.5, loss=0.25, time=7.0)
    result = Result("done", 0, "all of it", run="r", step=9, extra={"grid": "g.png"})
    write_progress(folder, progress)
    write_result(folder, result)
    assert (read_progress(folder), read_result(folder)) == (progress, result)
    clear_result(folder)
    clear_result(folder)
    assert (read_progress(folder), read_result(folder)) == (None, None)


@pytest.mark.parametrize(
    "content", [b"", b'{"phase": "tra', b"[]", b"null", b"\xff\xfe", b'{"outcome": "done"}']
)
def test_torn_results_and_progress_count_as_none(folder: JobFolder, content: bytes) -> None:
    folder.result.write_bytes(content)
    assert read_result(folder) is None
    folder.progress.write_bytes(content)
    assert read_progress(folder) in (None, Progress())  # of an unknown key nothing is taken


def test_what_a_newer_version_adds_is_left_out(folder: JobFolder) -> None:
    folder.result.write_text(json.dumps({"outcome": "done", "exit_code": 0, "mood": "fine"}))
    assert read_result(folder) == Result("done", 0)


def test_a_full_disk_stops_no_progress(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_progress(folder, Progress("training", 1, 9))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    write_progress(folder, Progress("training", 2, 9))
    monkeypatch.undo()
    assert read_progress(folder) == Progress("training", 1, 9)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "the specification of job 000001 is missing"),
        ("{", "not readable JSON"),
        ("[]", "does not hold a JSON object"),
        ('{"id": "000001"}', "is incomplete"),
        ('{"id": "000001", "kind": "train", "run": "r", "format": 99}', "written by a newer ddpm-tui"),
    ],
)
def test_a_spec_that_cannot_be_trusted(folder: JobFolder, content: str | None, words: str) -> None:
    folder.spec.unlink() if content is None else folder.spec.write_text(content)
    with pytest.raises(DamagedError, match=words) as caught:
        read_spec(folder)
    assert str(folder.spec) in str(caught.value)


def test_the_lock_says_who_lives(folder: JobFolder) -> None:
    assert not is_running(folder)
    with FileLock.acquire(folder.lock, "it"):
        assert is_running(folder)
    assert not is_running(folder)


def test_the_exit_codes_are_what_is_documented() -> None:
    table = (Path(__file__).parents[3] / "docs" / "engine.md").read_text()
    codes = [jobs.EXIT_DONE, jobs.EXIT_FAILED, jobs.EXIT_MISUSED]
    codes += [jobs.EXIT_DISK_FULL, jobs.EXIT_STOPPED, jobs.EXIT_QUIT]
    assert codes == [0, 1, 2, 73, 75, 130]
    assert [int(line.split("|")[1]) for line in table.splitlines() if line[:4].strip("| ").isdigit()] == codes
