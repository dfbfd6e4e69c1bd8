"""Opening a run again: on the pictures it began with, or not at all."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.data.catalog import add_source
from engine.jobs.context import Work
from engine.jobs.files import read_spec
from engine.runs.checkpoints import list_checkpoints
from engine.training.loop import Trainer
from engine.training.session import Session, open_session
from tests.tiny import job, make_run


def working(home: Home, run: RunFolder) -> Work:
    folder = job(home, run, 1)
    return Work(home, folder, read_spec(folder), io.StringIO())


def opened(home: Home, run: RunFolder) -> Session:
    return open_session(working(home, run), run)


@pytest.fixture
def dots(home: Home, pictures: Path, tmp_path: Path) -> Path:
    """A folder of its own under the name that runs of tests use."""
    folder = tmp_path / "own"
    shutil.copytree(pictures, folder)
    home.source("dots").record.unlink()
    add_source(home, folder, "dots")
    return folder


def test_other_pictures_under_the_same_name(home: Home, dots: Path) -> None:
    run = make_run(home, "old")
    before = opened(home, run)
    for name in range(20):
        (dots / f"{name:03d}.png").unlink()
    add_source(home, dots, "dots")

    again = opened(home, run)
    assert np.array_equal(again.packed.pictures, before.packed.pictures)
    assert again.record.frozen == before.record.frozen
    new = opened(home, make_run(home, "new"))
    assert len(new.packed.pictures) == 41
    assert new.record.frozen["data"]["fingerprint"] != before.record.frozen["data"]["fingerprint"]

    shutil.rmtree(home.data / before.record.frozen["data"]["folder"])
    with pytest.raises(UserError, match="the pictures that run 'old' began with are gone"):
        opened(home, run)


def test_a_damaged_folder_is_packed_again(home: Home, dots: Path) -> None:
    run = make_run(home, "r")
    before = opened(home, run).packed.pictures.copy()
    packed = home.data / opened(home, run).record.frozen["data"]["folder"] / "pictures.u8"
    packed.write_bytes(packed.read_bytes()[:100])
    assert np.array_equal(opened(home, run).packed.pictures, before)


def test_nothing_is_thinned_out_while_the_tags_cannot_be_read(home: Home, dots: Path) -> None:
    """Every checkpoint is a rolling one here, and none is to be kept but by a tag."""
    few = {"checkpoint_minutes": 1e-9, "keep_last": 1, "keep_epochs": [], "chunk_epochs": 9}

    def left(name: str, tags: str) -> tuple[int, list[str]]:
        run, said = make_run(home, name, training=few), []
        run.tags.write_text(tags)
        work = working(home, run)
        with work.also_saying(said.append):
            Trainer(work, open_session(work, run)).train(1)
        return len(list_checkpoints(run)), [line for line in said if "is removed" in line]

    assert left("whole", "{}") == (1, [])
    count, said = left("damaged", '{"nice": 3,')
    assert count > 1
    assert f"the list of tags of run 'damaged' is not readable JSON: {home.run('damaged').tags}" in said[0]


def test_a_gap_in_the_metrics_is_said(home: Home, dots: Path) -> None:
    run, said = make_run(home, "r"), []
    work = working(home, run)
    Trainer(work, open_session(work, run)).train(1)
    size = run.metrics.stat().st_size
    run.metrics.write_bytes(run.metrics.read_bytes()[:-30])
    with work.also_saying(said.append):
        Trainer(work, open_session(work, run))
    assert f"{run.metrics} lacks its last 30 bytes" in said[-1], (size, said)


@pytest.mark.parametrize("at", ["epoch 1:", "no save is due"])
def test_stopped_at_an_epochs_end_its_checkpoint_keeps_its_score(
    home: Home, dots: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """It may be the best that there is."""
    run = make_run(home, "r", training={"keep_epochs": [], "chunk_epochs": 9})
    work = working(home, run)
    end = Trainer._end_epoch

    def end_epoch(self: Trainer, first: int, target: int, to_epoch: int) -> None:
        end(self, first, target, to_epoch)
        work.stop("SIGTERM")

    if at == "no save is due":
        monkeypatch.setattr(Trainer, "_end_epoch", end_epoch)
    with work.also_saying(lambda line: work.stop("SIGTERM") if line[20:].startswith(at) else None):
        ended = Trainer(work, open_session(work, run)).train(3)
    assert (ended.epoch, ended.stopped) == (1.0, "SIGTERM")
    (info,) = list_checkpoints(run)
    assert info.best
    assert info.whole().eps_error is not None
    assert info.whole().train_loss is not None


def test_a_warm_up_that_is_most_of_the_training_is_said(home: Home, dots: Path) -> None:
    def said(name: str, steps: int) -> str:
        run, lines = make_run(home, name, optim={"warmup_steps": steps}), []
        work = working(home, run)
        trainer = Trainer(work, open_session(work, run))
        work.stop("SIGTERM")
        with work.also_saying(lines.append):
            trainer.train(4)
        return "\n".join(lines)

    assert "warms up for 30 steps, but the profile plans 28, so little will be learned" in said("slow", 30)
    assert "warms up" not in said("fine", 5)
