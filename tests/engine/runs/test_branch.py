"""A branch stands on its own: the checkpoint, the history up to it, the lineage."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from engine.base.errors import DamagedError, DiskFullError, UserError
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.branch import branch_run
from engine.runs.checkpoints import list_checkpoints, prunable, read_manifest, resolve, verify
from engine.runs.export import export_checkpoint
from engine.runs.metrics import read_metrics
from engine.runs.record import freeze, load_run, run_names
from tests.tiny import make_run
from tests.torchless import publish_at, trained_run


def test_a_branch_has_the_checkpoint_and_the_history_up_to_it(home: Home) -> None:
    parent = trained_run(home, "r", 4)
    record = branch_run(home, *resolve(home, "r@e2"), ["optim.lr=1e-6"], "slow")
    child = home.run("slow")
    assert load_run(home, "slow") == record
    assert record.lineage is not None
    assert (record.lineage.parent, record.lineage.step, record.lineage.epoch) == ("r", 14, 2)
    assert record.lineage.changes == ("optim.lr: 0.001 → 1e-06",)
    assert record.profile.optim.lr == 1e-6
    assert load_run(home, "r").profile.optim.lr == 1e-3
    assert [c.step for c in list_checkpoints(child)] == [14]
    assert list(read_metrics(child.metrics).epochs["epoch"]) == [1, 2]
    manifest = read_manifest(child.checkpoint(14))
    assert manifest.metrics_offset == child.metrics.stat().st_size
    assert parent.metrics.read_bytes().startswith(child.metrics.read_bytes())
    # It goes on from what its checkpoint had seen; another micro-batch is its own affair.
    assert record.frozen == {"origin": {"step": 14, "epochs": 2.0, "images": 112}}


def test_a_branch_keeps_its_parents_plan_unless_it_asks_for_another(home: Home) -> None:
    segment = {"start": 4.0, "epochs": 2.0, "peak": 1e-3, "final": 0.0}
    freeze(trained_run(home, "r", 4), horizon_epochs=4, segments=[segment])
    at = resolve(home, "r@e4")
    for changes, horizon, peak in (([], 4, 1e-3), (["optim.lr=1e-5"], 4, 1e-5)):
        frozen = branch_run(home, *at, changes).frozen
        assert (frozen["horizon_epochs"], frozen["segments"]) == (horizon, [{**segment, "peak": peak}])
    for key in ("training.epochs=9", "optim.horizon_epochs=9"):
        assert "horizon_epochs" not in branch_run(home, *at, [key]).frozen


def test_a_branch_with_other_pictures(home: Home, pictures: Path) -> None:
    add_source(home, pictures, "dots")
    freeze(trained_run(home, "r", 2), data={"folder": "dots-16", "train": 59})
    at = resolve(home, "r@e2")
    assert branch_run(home, *at, []).frozen["data"]["train"] == 59
    other = branch_run(home, *at, ["data.limit=20"])
    assert "data" not in other.frozen
    (info,) = list_checkpoints(home.run(other.name))
    assert info.whole().eps_error is None, "it was measured on the parent's pictures"
    runs = run_names(home)
    for change, words in (
        ("data.dataset=nothing", "no data set named 'nothing'"),
        ("data.size=32", "data.size cannot change in a branch"),
        ("training.batch_size=64", "59 pictures for training, but a batch has 64"),
    ):
        with pytest.raises(UserError, match=words):
            branch_run(home, *at, [change])
    assert run_names(home) == runs


def test_a_branch_outlives_its_parent(home: Home) -> None:
    parent = trained_run(home, "r", 2)
    branch_run(home, *resolve(home, "r@e2"), [], "b")
    shutil.rmtree(parent.path)
    assert verify(home.run("b").checkpoint(14)) is None


def test_retention_keeps_where_a_branch_began(home: Home) -> None:
    trained_run(home, "r", 3)
    branch_run(home, *resolve(home, "r@e3"), [], "b")
    for step in (28, 30, 35):
        publish_at(home.run("b"), step, eps_error=1 / step)
    assert [c.step for c in prunable(list_checkpoints(home.run("b")), (), 1)] == [28, 30]


def test_a_branch_of_nothing(home: Home) -> None:
    run = make_run(home, "new")
    publish_at(run, 0)
    with pytest.raises(UserError, match="has not started yet"):
        branch_run(home, *resolve(home, "new"), [])


def test_no_branch_from_altered_weights(home: Home) -> None:
    run = trained_run(home, "r", 1)
    ema = run.checkpoint(7).ema
    ema.write_bytes(ema.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DamagedError, match=r"cannot branch from r@7: .*ema\.safetensors has been altered"):
        branch_run(home, *resolve(home, "r"), [], "b")
    assert run_names(home) == ["r"]


def test_a_branch_that_cannot_be_copied_is_no_run(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a lineage and no checkpoint would train from nothing under the branch's name."""
    trained_run(home, "r", 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DiskFullError, match="no room"):
        branch_run(home, *resolve(home, "r"), [], "b")
    assert [path.name for path in home.runs.iterdir()] == ["r"]


def test_names_of_branches(home: Home) -> None:
    trained_run(home, "r", 1)
    assert branch_run(home, *resolve(home, "r"), []).name == "r-1"
    assert branch_run(home, *resolve(home, "r"), []).name == "r-2"
    with pytest.raises(UserError, match="already a run named"):
        branch_run(home, *resolve(home, "r"), [], "r")


# Export.


def test_an_export_needs_nothing_else(home: Home) -> None:
    run = trained_run(home, "r", 2)
    target = export_checkpoint(run, resolve(home, "r@e2")[1], home.root / "deep" / "out")
    assert (target / "model.safetensors").read_bytes() == run.checkpoint(14).ema.read_bytes()
    facts = json.loads((target / "export.json").read_text())
    assert (facts["run"], facts["step"], facts["weights"]) == ("r", 14, "ema")
    from engine.config.store import load_profile

    assert load_profile(home, str(target / "profile.toml")) == load_run(home, "r").profile
    raw = export_checkpoint(run, resolve(home, "r@e2")[1], home.root / "raw", "raw")
    assert (raw / "model.safetensors").read_bytes() == run.checkpoint(14).model.read_bytes()


def test_exports_that_cannot_be(home: Home) -> None:
    run = trained_run(home, "r", 1)
    info = resolve(home, "r")[1]
    target = export_checkpoint(run, info, home.root / "out")
    with pytest.raises(UserError, match="is not empty"):
        export_checkpoint(run, info, target)
    (home.root / "file").touch()
    with pytest.raises(UserError, match="cannot write "):
        export_checkpoint(run, info, home.root / "file" / "out")
    run.checkpoint(7).ema.write_bytes(b"\0" * info.whole().files["ema.safetensors"]["size"])
    with pytest.raises(DamagedError, match="has been altered"):
        export_checkpoint(run, info, home.root / "other")
    assert not (home.root / "other").exists()
