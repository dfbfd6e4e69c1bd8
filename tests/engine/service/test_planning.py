import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from engine.base.errors import UsageError, UserError
from engine.base.files import FileLock
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.jobs.kinds import title
from engine.runs.checkpoints import resolve
from engine.runs.export import export_checkpoint
from engine.runs.record import load_run
from engine.service.planning import make_run, plan_job
from engine.service.states import State
from tests.torchless import trained_run

from .planned import PROFILE, home_with_profile, made, plan, train
from .support import checkpoint
from .support import make_run as bare_run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_with_profile(tmp_path / "home")


def test_a_profile_makes_a_run_and_freezes_it(home: Home) -> None:
    planned = plan(home, "small", chunks=2)
    assert (planned.run, planned.to_epoch, planned.new_run) == ("small-1", 4, True)
    assert not home.run("small-1").path.exists()
    make_run(home, planned)
    (home.profiles / "small.toml").write_text(PROFILE.replace("chunk_epochs = 2", "chunk_epochs = 3"))
    assert load_run(home, "small-1").profile.training.chunk_epochs == 2
    assert plan(home, "small-1").to_epoch == 2


def test_no_run_is_planned_on_pictures_that_are_gone(home: Home, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(pictures, folder)
    add_source(home, folder, "mine")
    assert plan(home, "small", overrides=("data.dataset=mine", "training.batch_size=59")).new_run
    with pytest.raises(UserError, match="59 pictures for training, but a batch has 64"):
        plan(home, "small", overrides=("data.dataset=mine",))
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="the pictures of 'mine' are no longer at"):
        plan(home, "small", overrides=("data.dataset=mine",))
    with pytest.raises(UserError, match="no data set named 'mime' — did you mean 'mine'"):
        plan(home, "small", overrides=("data.dataset=mime",))


def test_overrides_and_names(home: Home) -> None:
    planned = plan(home, "small", run="mine", overrides=("optim.lr=1e-4",))
    make_run(home, planned)
    assert load_run(home, "mine").profile.optim.lr == 1e-4
    with pytest.raises(UserError, match="cannot name a run"):
        plan(home, "small", run="../x")


def test_chunks_count_from_the_last_queued_target(home: Home) -> None:
    made(home)
    planned = plan(
        home, "small-1", train(1, 4), train(2, 6, State.PAUSED), train(3, 50, State.CANCELLED), chunks=2
    )
    assert planned.to_epoch == 10
    assert planned.says[0] == "small-1: epochs 6 → 10 (2 chunks of 2)"
    assert "queued to epoch 6 already (job 2, paused)" in planned.says[1]


def test_chunks_count_from_the_newest_checkpoint(home: Home) -> None:
    made(home)
    checkpoint(home.run("small-1"), step=21, per_epoch=4)
    planned = plan(home, "small-1", chunks=1)
    assert planned.to_epoch == 7
    assert planned.says == ("small-1: epochs 5.25 → 7",)


def test_the_same_target_twice_adds_nothing(home: Home) -> None:
    made(home)
    planned = plan(home, "small-1", train(1, 4), to_epoch=4)
    assert planned.job == "000001"
    assert "nothing is added" in planned.says[0]
    assert "resume" not in planned.says[0]
    paused = train(1, 4, State.PAUSED)
    assert plan(home, "small-1", paused, to_epoch=4).says[0].endswith("`queue resume 1` continues it")
    assert plan(home, "small-1", train(1, 4), to_epoch=3).job == "000001"
    assert plan(home, "small-1", train(1, 4), to_epoch=5).job is None


def test_a_target_that_is_behind_is_refused(home: Home) -> None:
    made(home)
    checkpoint(home.run("small-1"), step=24, per_epoch=4)
    with pytest.raises(UserError, match="at epoch 6 already"):
        plan(home, "small-1", to_epoch=6)


def test_the_same_profile_twice_says_what_it_would_do(home: Home) -> None:
    made(home)
    with pytest.raises(UserError, match="already trains this profile") as error:
        plan(home, "small", train(1, 4), chunks=2)
    assert "continue to epoch 8" in str(error.value)
    assert plan(home, "small", train(1, 4), new=True).run == "small-2"
    assert plan(home, "small", overrides=("training.seed=1",)).run == "small-2"
    assert plan(home, "small", run="other").run == "other"


@pytest.mark.parametrize("request_", [{}, {"new": True}, {"run": "mine"}, {"run": "mine", "new": True}])
def test_a_run_that_nobody_has_begun_is_the_one_that_is_asked_for(
    home: Home, request_: dict[str, object]
) -> None:
    """An engine that is killed between making the run and its job gets the request again."""
    run = made(home, **request_)
    again = plan(home, "small", to_epoch=3, **request_)
    assert (again.run, again.to_epoch, again.new_run, again.job) == (run, 3, False, None)
    begun = train(1, 4, run=run)
    assert plan(home, "small", begun, new=True, run="another").new_run
    with pytest.raises(UserError, match=r"already trains this profile|already a run"):
        plan(home, "small", begun, **{**request_, "new": "run" in request_})


def test_a_run_with_a_checkpoint_or_a_worker_has_been_begun(home: Home) -> None:
    run = home.run(made(home))
    with FileLock.acquire(run.lock, "run"), pytest.raises(UserError, match="already trains this profile"):
        plan(home, "small")
    checkpoint(run, step=24, per_epoch=4)
    with pytest.raises(UserError, match="already trains this profile"):
        plan(home, "small")


def test_a_name_that_is_taken_by_another_profile(home: Home) -> None:
    made(home, run="mine")
    assert plan(home, "small", run="mine", chunks=1).new_run is False
    with pytest.raises(UserError, match="another version of profile"):
        plan(home, "small", run="mine", overrides=("optim.lr=0.5",))
    with pytest.raises(UserError, match="frozen"):
        plan(home, "mine", overrides=("optim.lr=0.5",))
    with pytest.raises(UserError, match="already a run"):
        plan(home, "small", train(1, 4, run="mine"), run="mine", new=True)


def test_misuse(home: Home) -> None:
    for request in ({"chunks": 1, "to_epoch": 2}, {"chunks": 0}, {"to_epoch": -1}):
        with pytest.raises(UsageError):
            plan(home, "small", **request)
    with pytest.raises(UserError, match="did you mean 'small'"):
        plan(home, "smal")


def test_a_named_checkpoint_is_resolved_now_and_latest_later(home: Home) -> None:
    made(home)
    run = home.run("small-1")
    with pytest.raises(UserError, match="no checkpoint"):
        plan_job(home, [], "sample", {"checkpoint": "small-1"})
    assert (
        plan_job(home, [train(1, 4)], "sample", {"checkpoint": "small-1"})[1]["checkpoint"]
        == "small-1@latest"
    )
    checkpoint(run, step=8, per_epoch=4)
    run.tags.write_text('{"good": 8}')
    for name, meant in {
        "@latest": "@latest",
        "@best": "@best",
        "@8": "@8",
        "@good": "@8",
        "@e2": "@8",
    }.items():
        run_name, args = plan_job(home, [], "sample", {"checkpoint": f"small-1{name}", "n": 3})
        assert (run_name, args) == ("small-1", {"checkpoint": f"small-1{meant}", "n": 3})
    # An epoch that is still to come is meant when the job starts, if training that far is queued.
    assert (
        plan_job(home, [train(1, 4)], "sample", {"checkpoint": "small-1@e4"})[1]["checkpoint"] == "small-1@e4"
    )
    with pytest.raises(UserError, match="no checkpoint of"):
        plan_job(home, [train(1, 4)], "sample", {"checkpoint": "small-1@e5"})
    with pytest.raises(UserError, match="no checkpoint of"):
        plan_job(home, [], "sample", {"checkpoint": "small-1@9"})
    with pytest.raises(UserError, match="no run named"):
        plan_job(home, [], "sample", {"checkpoint": "smoll-1"})
    with pytest.raises(UsageError):
        plan_job(home, [], "dance", {})


def test_an_exported_folder_is_looked_at_when_it_is_queued(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "faces" / "out"
    run = trained_run(home, "r", 1)
    export_checkpoint(run, resolve(home, "r")[1], folder)
    args = {"checkpoint": f"{folder}/", "n": 3}
    assert plan_job(home, [], "sample", args) == (None, {"checkpoint": str(folder), "n": 3})
    assert title("sample", None, {"checkpoint": str(folder), "n": 3}) == "sample …/out, 3 pictures"
    for kind, more, said in (
        ("sample", {"weights": "raw"}, "the export has the ema weights"),
        ("sample", {"steps": 51}, "--steps 51"),
        ("evaluate", {}, "learned from are needed: no data set named 'dots'"),
        ("sample", {"checkpoint": str(tmp_path)}, "has no exported checkpoint"),
    ):
        with pytest.raises(UserError, match=said):
            plan_job(home, [], kind, {**args, **more})


def test_a_run_that_pydantic_never_saw_can_go_on(home: Home) -> None:
    bare_run(home, "bare", chunk_epochs=3)
    assert plan(home, "bare", chunks=2).to_epoch == 6


def test_a_branch_of_a_run_that_is_still_to_be_trained(home: Home) -> None:
    base = made(home)
    begins = {"checkpoint": f"{base}@e2", "set": ["optim.lr=1e-5"]}
    planned = plan(home, "later", train(1, 4), to_epoch=6, branch=begins)
    assert planned.args == {"to_epoch": 6, "branch": begins}
    make_run(home, planned)
    assert not home.run("later").path.exists()
    # Asked for again while it waits.
    paused = replace(train(2, 6, run="later"), state=State.PAUSED)
    again = plan(home, "later", train(1, 4), paused, to_epoch=6, branch=begins)
    assert again.job == "000002"
    assert again.says[0].endswith("`queue resume 2` continues it")
    # Its samples can be queued behind it, before anything of it is there.
    args = {"checkpoint": "later@e6"}
    assert plan_job(home, [train(2, 6, run="later")], "sample", args) == ("later", args)


@pytest.mark.parametrize(
    ("begins", "to_epoch", "words"),
    [
        ({"checkpoint": "small-1@e2", "set": []}, None, "give to_epoch"),
        ({"checkpoint": 3, "set": []}, 6, "with a checkpoint and set"),
        ({"checkpoint": "small-1@e2", "set": [1]}, 6, "with a checkpoint and set"),
        ({"checkpoint": "small-1@e5", "set": []}, 6, "no checkpoint"),
        ({"checkpoint": "small-2@e2", "set": []}, 6, "did you mean 'small-1'"),
        ({"checkpoint": "small-1@e2", "set": ["model.width=16"]}, 6, "model.width"),
    ],
)
def test_a_branch_that_cannot_be(
    home: Home, begins: dict[str, object], to_epoch: int | None, words: str
) -> None:
    made(home)
    with pytest.raises((UserError, UsageError), match=words):
        plan(home, "later", train(1, 4), to_epoch=to_epoch, branch=begins)
