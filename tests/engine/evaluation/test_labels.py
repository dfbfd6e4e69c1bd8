"""Whether asked-for labels are drawn: judged by a classifier that learns them, of a network that is known to draw
them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from engine.base.errors import UserError
from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.config.store import override_profile
from engine.data.catalog import add_source
from engine.data.labelled import Opened, open_pictures
from engine.data.labelling import label_source
from engine.data.packing import pack
from engine.device.plan import decide, gather
from engine.evaluation.classifier import classifier_of, signs
from engine.evaluation.measuring import Wanted
from engine.evaluation.score import score
from engine.models.build import make_schedule
from engine.runs.evaluations import Score
from engine.sampling.load import Loaded

CHANGES = [
    "data.dataset=lamps", "data.size=16", "data.recipe=whole", "diffusion.steps=50", "training.precision=fp32",
    "labels.kind=attributes", 'labels.names=["bright","red"]', "sampling.steps=4",
]  # fmt: skip
PROFILE = override_profile(Profile(), CHANGES)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Two hundred pictures, bright or dark and red or blue, a quarter of them held out."""
    folder = tmp_path_factory.mktemp("lamps")
    draw = np.random.default_rng(0)
    rows, parts = ["file_name,bright,red"], []
    for index in range(200):
        bright, red = index % 2, index // 2 % 2
        picture = draw.normal(128 + (60 if bright else -60), 20, (16, 16, 3))
        picture[..., 0] += 40 if red else -40
        picture[..., 2] -= 40 if red else -40
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{index:03d}.png")
        rows.append(f"{index:03d}.png,{bright},{red}")
        parts.append(f"{index:03d}.png {int(index >= 150)}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    (folder / "list_eval_partition.txt").write_text("\n".join(parts))
    home = Home(tmp_path_factory.mktemp("home")).create()
    add_source(home, folder, "lamps")
    label_source(home, "lamps")
    return open_pictures(home, pack(home, "lamps", 16, "whole"), PROFILE, {})


class Knows(nn.Module):
    """A network that draws what is asked for to the letter, or with `deaf` something else."""

    def __init__(self, deaf: bool) -> None:
        super().__init__()
        self.deaf = deaf
        self.labels = nn.Identity()
        bars = make_schedule(PROFILE).alpha_bar
        self.alpha, self.sigma = bars.sqrt(), (1 - bars).sqrt()

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        bright, red = (torch.zeros(len(x)),) * 2 if y is None or self.deaf else (y[:, 0], y[:, 1])
        level = bright.view(-1, 1, 1, 1) * 0.45 + 0 * x
        level[:, 0] += 0.3 * red.view(-1, 1, 1)
        level[:, 2] -= 0.3 * red.view(-1, 1, 1)
        alpha, sigma = (table[t].view(-1, 1, 1, 1) for table in (self.alpha, self.sigma))
        return (alpha * x - level) / sigma


def scored(opened: Opened, deaf: bool, n: int = 160, **settings: object) -> Score:
    plan = decide(gather("cpu"), PROFILE)
    loaded = Loaded(Knows(deaf), make_schedule(PROFILE), PROFILE, plan, torch.device("cpu"))
    wanted = Wanted(("labels",), n, Settings.from_profile(PROFILE, **settings), labels=opened.labels)
    return score(loaded, opened.packed, wanted).scores["labels"]


def test_the_classifier_learns_the_labels_and_is_kept(opened: Opened) -> None:
    assert opened.labels is not None
    steps: list[int] = []
    judge = classifier_of(
        opened.packed, opened.labels, torch.device("cpu"), lambda done, total: steps.append(done)
    )
    held_out = opened.packed.held_out
    right = judge.tells(opened.packed.pictures[held_out]) == (signs(opened.labels)[held_out] > 0)
    assert right.mean() > 0.97
    assert steps
    steps.clear()
    again = classifier_of(
        opened.packed, opened.labels, torch.device("cpu"), lambda done, total: steps.append(done)
    )
    assert not steps
    assert np.array_equal(again.tells(opened.packed.pictures[:20]), judge.tells(opened.packed.pictures[:20]))


def test_a_network_that_draws_what_is_asked_for_scores_one_and_a_deaf_one_half(opened: Opened) -> None:
    good, deaf = scored(opened, False), scored(opened, True)
    assert (good.value, good.n, good.direction) == (1.0, 160, "higher")
    assert deaf.value == pytest.approx(0.5, abs=0.01)
    for row in good.detail["by_label"]:
        assert row["ceiling"][0] > 0.95
        assert row["asked"] == [1.0, 1.0, 1.0]
        assert row["leak"][0] == 0
        assert 0.2 < row["real"][0] < 0.8
    assert [row["name"] for row in good.detail["by_label"]] == ["bright", "red"]
    alone = scored(opened, False, labels=("red=1",))
    assert [row["name"] for row in alone.detail["by_label"]] == ["red"]


def test_a_run_without_labels_is_refused(opened: Opened) -> None:
    plain = Opened(opened.packed)
    with pytest.raises(UserError, match="the run learned no labels"):
        scored(plain, False)


def test_a_label_that_no_picture_has_is_refused(opened: Opened, tmp_path: Path) -> None:
    assert opened.labels is not None
    values = opened.labels.values.copy()
    values[:, 1] = -1
    with pytest.raises(UserError, match="no training picture has red"):
        classifier_of(
            opened.packed, type(opened.labels)("attributes", ("bright", "red"), values), torch.device("cpu")
        )
