"""Training on labels: exact on resume and in branches, begun from a run without them, and on a part of the pictures."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.base.errors import UserError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.config.sections import LabelsSection
from engine.data.catalog import add_source
from engine.data.labelled import named_labels
from engine.data.labelling import edit_labels, label_source
from engine.data.labels import Labels
from engine.jobs.context import Work
from engine.jobs.files import read_spec
from engine.runs.branch import branch_run
from engine.runs.checkpoints import resolve
from engine.runs.record import load_run, read_record
from engine.training.job import run_training
from engine.training.labels import LabelFeed
from engine.training.session import Session, open_session
from tests.tiny import bits, job, make_run

LABELLED: dict[str, Any] = {"labels": {"kind": "attributes", "names": ["odd", "third"]}}


@pytest.fixture
def home(tmp_path: Path, pictures: Path) -> Home:
    """The dots, of which every second is odd and the first ten are unknown."""
    home = Home(tmp_path / "home").create()
    add_source(home, pictures, "dots")
    names = sorted(path.name for path in pictures.iterdir())
    rows = "".join(f"{n},{i % 2},{int(i % 3 == 0)},0\n" for i, n in enumerate(names) if i >= 10)
    (tmp_path / "labels.csv").write_text(f"file_name,odd,third,never\n{rows}")
    label_source(home, "dots", tmp_path / "labels.csv")
    return home


def worker(home: Home, run: RunFolder, to_epoch: int) -> Work:
    folder = job(home, run, to_epoch)
    return Work(home, folder, read_spec(folder), io.StringIO())


def train(home: Home, run: RunFolder, to_epoch: int) -> None:
    assert run_training(worker(home, run, to_epoch)).outcome == "done"


def opened(home: Home, run: RunFolder) -> Session:
    return open_session(worker(home, run, 4), run)


def answers(session: Session, y: torch.Tensor | None) -> torch.Tensor:
    x = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: torch.Tensor = session.state.model.eval()(x, torch.tensor([0, 10, 30, 49]), y)
    return found


def test_resumed_and_in_one_piece_and_by_other_micro_batches_the_same_labels(home: Home) -> None:
    straight, resumed = (make_run(home, name, **LABELLED) for name in ("straight", "resumed"))
    train(home, straight, 2)
    train(home, resumed, 1)
    # Changed meanwhile: the run goes on with the labels that it began with.
    edit_labels(home, "dots", lambda labels: labels.merged(["odd", "third"], "odd"))
    train(home, resumed, 2)
    assert bits(resumed) == bits(straight)
    assert read_record(resumed).frozen["labels"] == read_record(straight).frozen["labels"]
    with pytest.raises(UserError, match="no label named 'third'"):
        opened(home, make_run(home, "later", **LABELLED))


def test_what_is_hidden_depends_on_seed_and_step_alone() -> None:
    labels = Labels("attributes", ("a", "b"), np.ones((4000, 2), np.int8))
    feed = LabelFeed(labels, LabelsSection(kind="attributes", dropout=0.1, dropout_each=0.2))
    rows, cpu = np.arange(4000), torch.device("cpu")
    y = feed.batch(rows, 7, 3, cpu)
    assert torch.equal(y, feed.batch(rows, 7, 3, cpu))
    assert not torch.equal(y, feed.batch(rows, 7, 4, cpu))
    none, some = (y == 0).all(1).float().mean(), (y == 0).float().mean()
    assert abs(float(none) - (0.1 + 0.9 * 0.04)) < 0.02
    assert abs(float(some) - (0.1 + 0.9 * 0.2)) < 0.02
    classes = LabelFeed(
        Labels("class", ("a", "b"), np.array([0, 1, -1], np.int32)), LabelsSection(kind="class")
    )
    assert classes.whole(np.array([0, 1, 2])).tolist() == [0, 1, 2]


def test_an_unlabelled_run_is_branched_into_a_labelled_one(home: Home) -> None:
    parent = make_run(home, "parent", optim={"optimizer": "muon", "final_lr": 1e-5})
    train(home, parent, 1)
    run, checkpoint = resolve(home, "parent@latest")
    before = opened(home, parent)
    record = branch_run(
        home, run, checkpoint, ["labels.kind=attributes", 'labels.names=["odd","third"]'], "told"
    )
    assert record.profile.labels.names == ("odd", "third")
    told = home.run("told")
    after = opened(home, told)
    asked = torch.tensor([[1.0, -1.0], [0.0, 1.0], [-1.0, 0.5], [0.0, 0.0]])
    for y in (None, asked):
        assert torch.equal(answers(before, None), answers(after, y))
    with before.state.ema.swapped_in(), after.state.ema.swapped_in():
        assert torch.equal(answers(before, None), answers(after, asked))
    # A plan of its own: the rate rises where it begins.
    after.plan_to(3)
    first, last = after.timeline.at_place(1 * 7), after.timeline.end_of(3) - 1
    rates = [after.rates.rate(step, after.timeline) for step in range(first, last + 1)]
    assert (max(rates), rates[-1] < 0.2 * max(rates)) == (pytest.approx(1e-3, rel=0.02), True)
    train(home, told, 3)
    trained = opened(home, told)
    assert not torch.equal(answers(trained, asked), answers(trained, None))
    # A branch of the branch has the labels, and may not change what they mean.
    run, checkpoint = resolve(home, "told@latest")
    assert branch_run(home, run, checkpoint, ["labels.dropout=0.3"], "again").frozen["labels"]
    train(home, home.run("again"), 4)
    with pytest.raises(UserError, match=r"labels\.names cannot change in a branch"):
        branch_run(home, run, checkpoint, ['labels.names=["odd"]'], "other")


def test_a_part_of_the_pictures(home: Home) -> None:
    run = make_run(home, "odd", data={"where": "ODD=1"}, training={"batch_size": 4})
    session = opened(home, run)
    everything = opened(home, make_run(home, "all")).packed
    assert set(session.packed.train) < set(everything.train)
    assert 20 <= len(session.packed.train) <= 26
    assert read_record(run).frozen["data"]["train"] == len(session.packed.train)
    train(home, run, 1)
    with pytest.raises(UserError, match=r"no picture to learn from of data set 'dots' is as data\.where"):
        opened(home, make_run(home, "none", data={"where": "never=1"}))


def test_profiles_get_their_names_from_the_data(home: Home) -> None:
    def named(**sections: Any) -> Any:
        return named_labels(
            home,
            load_run(home, make_run(home, f"p{len(list(home.runs.iterdir()))}", **sections).name).profile,
        )

    found = named(labels={"kind": "attributes", "previews": ["THIRD=1"]}, data={"where": "Odd=yes"})
    assert (found.labels.names, found.labels.previews, found.data.where) == (
        ("odd", "third", "never"),
        ("third=1",),
        "odd=1",
    )
    with pytest.raises(UserError, match=r"has attributes, and labels\.kind is 'class'"):
        named(labels={"kind": "class"})
    with pytest.raises(UserError, match="no label named 'od' — did you mean 'odd'"):
        named(labels={"kind": "attributes", "names": ["od"]})
    with pytest.raises(UserError, match="leaves nothing out"):
        named(data={"where": "odd=0"})
