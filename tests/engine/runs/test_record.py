"""run.json: made, read, frozen, renamed; every damaged or later one is told apart."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.base.errors import BusyError, DamagedError, UserError
from engine.base.files import FileLock
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.config.profile import Profile
from engine.config.store import override_profile
from engine.runs.branch import branch_run
from engine.runs.checkpoints import resolve
from engine.runs.record import (
    branch_points,
    branch_profile,
    create_run,
    find_run,
    free_run_name,
    freeze,
    load_run,
    misnamed_runs,
    rename_run,
    run_names,
)
from engine.service.runs import names, run_facts
from tests.torchless import trained_run


def test_a_run_comes_back_as_it_was_made(home: Home) -> None:
    profile = override_profile(Profile(), ["optim.lr=2e-4", "data.limit=99"])
    made = create_run(home, "r", profile, "celeba32")
    assert load_run(home, "r") == made
    frozen = freeze(home.run("r"), plan={"precision": "bf16"}, horizon_epochs=50)
    assert load_run(home, "r") == frozen
    assert freeze(home.run("r"), steps_per_epoch=3).frozen["horizon_epochs"] == 50


def test_a_copy_by_hand_under_an_impossible_name_is_pointed_out_and_keeps_nobody_from_the_others(
    home: Home,
) -> None:
    create_run(home, "r", Profile(), "one")
    shutil.copytree(home.run("r").path, home.runs / "r (copy)")
    (home.runs / "my notes").mkdir()
    assert run_names(home) == names(home) == ["r"]
    (line,) = misnamed_runs(home)
    assert line.startswith(f"{home.runs / 'r (copy)'} has a run with an invalid name")
    with pytest.raises(UserError, match=r"'r \(copy\)' cannot name a run"):
        load_run(home, "r (copy)")


def test_a_record_that_others_own_is_no_reason_to_delete_the_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run(home, "r", Profile(), "one")

    def refuse(path: Path, limit: int) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("engine.base.records.read_bytes", refuse)  # root may read everything
    for read in (load_run, lambda home, name: run_facts(home.run(name))):
        with pytest.raises(DamagedError, match=r"run\.json \(Permission denied\) — check its permissions$"):
            read(home, "r")


def test_a_taken_name_leaves_the_run_alone(home: Home) -> None:
    create_run(home, "r", Profile(), "one")
    with pytest.raises(UserError, match="already a run named 'r'"):
        create_run(home, "r", Profile(), "two")
    assert load_run(home, "r").profile_name == "one"
    assert [p.name for p in home.runs.iterdir()] == ["r"]


def test_of_two_that_make_a_run_of_one_name_at_once_one_does(home: Home) -> None:
    def meanwhile(_: RunFolder) -> None:
        create_run(home, "r", Profile(), "the quicker one")

    with pytest.raises(UserError, match="already a run named 'r'"):
        create_run(home, "r", Profile(), "the slower one", fill=meanwhile)
    assert load_run(home, "r").profile_name == "the quicker one"
    assert [p.name for p in home.runs.iterdir()] == ["r"]


def test_what_a_killed_process_left_half_made_goes_and_what_one_makes_now_stays(home: Home) -> None:
    left, at_work = home.runs / ".a.12345678.new", home.runs / ".b.12345678.new"
    for folder in (left, at_work):
        folder.mkdir()
        RunFolder(folder).lock.touch()
    with FileLock.acquire(RunFolder(at_work).lock, "a run that is being made"):
        create_run(home, "c", Profile())
    assert sorted(p.name for p in home.runs.iterdir()) == [at_work.name, "c"]


def test_free_names(home: Home) -> None:
    assert free_run_name(home, "demo") == "demo-1"
    create_run(home, "demo-1", Profile())
    assert free_run_name(home, "demo") == "demo-2"
    with pytest.raises(UserError):
        free_run_name(home, "../x")


def test_names_leave_out_what_is_being_made(home: Home) -> None:
    assert run_names(Home(home.root / "nowhere")) == []
    create_run(home, "b", Profile())
    (home.runs / ".c.new").mkdir()
    (home.runs / "note.txt").touch()
    assert run_names(home) == ["b"]


def test_an_unknown_run_gets_the_nearest(home: Home) -> None:
    create_run(home, "celeba32-1", Profile())
    with pytest.raises(UserError, match="no run named 'celeba32-2' — did you mean 'celeba32-1'"):
        find_run(home, "celeba32-2")


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, DamagedError, "is missing"),
        ("{", DamagedError, "not readable JSON"),
        ("[]", DamagedError, "does not hold a JSON object"),
        ('{"format": "1"}', DamagedError, "its format is not a number"),
        ('{"format": 99}', UserError, "newer ddpm-tui .format 99, this one reads 1. — update"),
        ('{"format": 1}', DamagedError, "lacks profile"),
        ('{"format": 1, "lineage": {"parent": "x"}}', DamagedError, "lacks"),
        (
            '{"format": 1, "lineage": null, "profile": {}, "profile_name": "", "created": "", "frozen": 3}',
            DamagedError,
            "lacks versions",
        ),
    ],
)
def test_records_that_cannot_be_read(
    home: Home, content: str | None, error: type[Exception], words: str
) -> None:
    create_run(home, "r", Profile())
    path = home.run("r").record
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(error, match=words) as caught:
        load_run(home, "r")
    if error is DamagedError:
        assert str(caught.value).endswith(
            " — restore it from a copy, or move the run to the trash with `ddpm-tui runs delete r`"
        )
        if content in (None, "{", "[]"):  # the engine says it in the same words
            with pytest.raises(DamagedError, match=re.escape(str(caught.value))):
                run_facts(home.run("r"))


@pytest.mark.parametrize(
    "frozen",
    [
        {"plan": "x"},
        {"plan": {"device_name": 5}},
        {"plan": {"reasons": "fp32"}},
        {"data": 1},
        {"data": {"folder": "../../elsewhere"}},
        {"data": {"train": "400"}},
        {"micro_batches": []},
        {"micro_batches": [[0]]},
        {"micro_batches": [[0, 0]]},
        {"micro_batches": [["0", "8"]]},
        {"steps_per_epoch": 0},
        {"architecture": 5},
        {"device_kind": 3},
        {"origin": []},
        {"horizon_epochs": 3, "segments": 5},
        {"horizon_epochs": True},
    ],
    ids=str,
)
def test_what_was_frozen_in_an_unsealed_record_is_of_its_types(home: Home, frozen: dict[str, object]) -> None:
    """One of an older version, which no digest protects: the run is damaged, and no list ends with it."""
    create_run(home, "r", Profile(), frozen={"plan": {"device_name": "a CPU"}, "steps_per_epoch": 3})
    path = home.run("r").record
    record = json.loads(path.read_text())
    del record["digest"]
    path.write_text(json.dumps({**record, "frozen": {**record["frozen"], **frozen}}))
    with pytest.raises(DamagedError, match=re.escape(str(path))):
        load_run(home, "r")


def test_a_record_whose_profile_is_of_a_later_version(home: Home) -> None:
    create_run(home, "r", Profile())
    path = home.run("r").record
    data = json.loads(path.read_text())
    data["profile"]["model"]["magic"] = 3
    write_sealed(path, data)
    with pytest.raises(UserError, match=r"run\.json: model\.magic: unknown key"):
        load_run(home, "r")


def test_a_copied_run_goes_by_its_folders_name(home: Home, tmp_path: Path) -> None:
    run = trained_run(home, "r", 1)
    run.path.rename(home.runs / "copy")
    assert load_run(home, "copy").name == "copy"
    assert resolve(home, "copy@e1")[1].step == 7


# Branching.


def test_what_a_branch_may_change() -> None:
    changed, changes = branch_profile(Profile(), ["optim.lr=1e-6", "training.batch_size=32"])
    assert changed.optim.lr == 1e-6
    assert changes == ("optim.lr: 0.001 → 1e-06", "training.batch_size: 64 → 32")


@pytest.mark.parametrize(
    "override", ["model.width=64", "diffusion.steps=100", "objective.prediction=eps", "data.size=64"]
)
def test_what_it_may_not(override: str) -> None:
    with pytest.raises(
        UserError, match=r"cannot change in a branch .*weights were made for it.*start a new run"
    ):
        branch_profile(Profile(), [override])


def test_where_branches_begin(home: Home) -> None:
    trained_run(home, "r", 4)
    branch_run(home, *resolve(home, "r@e2"), [], "b")
    (home.run("r").path.parent / "broken").mkdir()
    assert branch_points(home, "r") == {14}
    assert branch_points(home, "b") == {14}
    trained_run(home, "other", 1)
    assert branch_points(home, "other") == frozenset()


# Renaming.


def test_renaming_takes_everything_along(home: Home) -> None:
    trained_run(home, "old", 2)
    branch_run(home, *resolve(home, "old@e1"), [], "child")
    rename_run(home, "old", "new")
    assert sorted(run_names(home)) == ["child", "new"]
    assert load_run(home, "new").name == "new"
    assert resolve(home, "new@e2")[1].step == 14
    lineage = load_run(home, "child").lineage
    assert lineage is not None
    assert lineage.parent == "new"


@pytest.mark.parametrize("survived", range(3))
@pytest.mark.parametrize("second", ["new", "newer"])
def test_a_rename_that_was_killed_is_done_by_the_next(
    home: Home, monkeypatch: pytest.MonkeyPatch, survived: int, second: str
) -> None:
    """The run's record, the branch's, the folder: `survived` of the three are written when the kill comes."""
    trained_run(home, "old", 1)
    branch_run(home, *resolve(home, "old@e1"), [], "child")
    written = 0

    def dies(step: Callable[..., object]) -> Callable[..., object]:
        def once(*arguments: object) -> object:
            nonlocal written
            if written == survived:
                raise KeyboardInterrupt
            written += 1
            return step(*arguments)

        return once

    with monkeypatch.context() as killed:
        killed.setattr("engine.runs.record.write_sealed", dies(write_sealed))
        killed.setattr(Path, "rename", dies(Path.rename))
        with pytest.raises(KeyboardInterrupt):
            rename_run(home, "old", "new")
    rename_run(home, "old", second)
    assert sorted(run_names(home)) == ["child", second]
    lineage = load_run(home, "child").lineage
    assert lineage is not None
    assert lineage.parent == second


def test_renaming_a_copy_takes_no_branches_from_the_original(home: Home) -> None:
    run = trained_run(home, "r", 1)
    branch_run(home, *resolve(home, "r@e1"), [], "child")
    shutil.copytree(run.path, home.runs / "copy")
    rename_run(home, "copy", "other")
    lineage = load_run(home, "child").lineage
    assert lineage is not None
    assert lineage.parent == "r"


def test_renaming_what_cannot_be(home: Home) -> None:
    trained_run(home, "a", 1)
    trained_run(home, "b", 1)
    with pytest.raises(UserError, match="already a run named 'b'"):
        rename_run(home, "a", "b")
    with pytest.raises(UserError, match="cannot name a run"):
        rename_run(home, "a", "../a")
    with FileLock.acquire(home.run("a").lock, "run"), pytest.raises(BusyError, match="run 'a' is in use"):
        rename_run(home, "a", "c")
    assert sorted(run_names(home)) == ["a", "b"]


def test_renaming_waits_for_who_works_on_a_branch(home: Home) -> None:
    """Its worker writes the same record: nothing is changed before all of it can be."""
    trained_run(home, "old", 1)
    for name in ("a", "b"):
        branch_run(home, *resolve(home, "old@e1"), [], name)
    with FileLock.acquire(home.run("b").lock, "run") as lock:
        lock.describe("job 000007")
        with pytest.raises(BusyError, match="run 'b', a branch of 'old', is in use by job 000007"):
            rename_run(home, "old", "new")
    assert sorted(run_names(home)) == ["a", "b", "old"]
    for name in ("a", "b"):
        lineage = load_run(home, name).lineage
        assert lineage is not None
        assert lineage.parent == "old"
    assert "new" not in home.run("old").record.read_text()
    rename_run(home, "old", "new")
