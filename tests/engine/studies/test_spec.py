"""Studies as files: the shipped ones are whole, and what is wrong with one is said in a line."""

from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.studies.spec import load_study, study_paths

GOOD = """
title = "Two losses"
[full]
base = "celeba32"
epochs = 2
[small]
base = "demo"
seeds = [7]
[variants]
a = ["objective.loss=l1"]
b = ["objective.loss=l2"]
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


def write(home: Home, text: str) -> None:
    home.studies.mkdir(exist_ok=True)
    (home.studies / "mine.toml").write_text(text)


def test_every_section_of_the_paper_is_shipped_and_whole(home: Home) -> None:
    names = set(study_paths(home))
    assert names >= {
        "blocks", "denoising-steps", "learning-rate", "loss", "samplers", "schedules", "size",
    }  # fmt: skip
    for name in names:
        study = load_study(home, name)
        for small in (False, True):
            plan = study.plan(small)
            assert len(plan.seeds) >= 3
            profile = study.profile(home, small, None, plan.seeds[1])
            assert profile.training.seed == plan.seeds[1]
            assert profile.training.epochs == plan.epochs
        assert study.profile(home, True).data.dataset == "faces", "the small ones need no download"


def test_a_variant_changes_the_profile_and_small_changes_the_plan(home: Home) -> None:
    write(home, GOOD)
    study = load_study(home, "mine")
    assert study.plan(True).seeds == (7,)
    assert study.plan(True).epochs == 2
    assert study.plan(False).base == "celeba32"
    assert study.profile(home, True, "a").objective.loss == "l1"
    assert study.profile(home, False, "b").objective.loss == "l2"
    assert study.key(True) == "mine-small"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("epochs = 2", "epochs = 2\nseed = [1]", "full.seed: unknown key .did you mean 'seeds'"),
        ("epochs = 2", "epochs = 0", "full.epochs"),
        ("epochs = 2", 'epochs = 2\nmeasures = ["kit"]', "no measure named 'kit'.*did you mean 'kid'"),
        ("epochs = 2", 'epochs = 2\nmeasures = ["default"]', "no measure named 'default'"),
        ("epochs = 2", 'epochs = 2\nmeasures = ["frechet"]', "no measure named 'frechet'"),
        ('title = "Two losses"', 'titel = "x"', "title"),
        ('"celeba32"', '"celeba23"', "celeba32"),
        ("objective.loss=l1", "objective.loss=l2", "'a' and 'b' are equal"),
        ("objective.loss=l1", "objective.loss=l3", "objective.loss"),
        ("objective.loss=l1", "objektive.loss=l1", "objective"),
        ('b = ["objective.loss=l2"]', "", "at least two"),
        ("[variants]\na", '[variants]\n"a b"', "letters, digits"),
        ("[small]", "[small", "not valid TOML"),
        ('title = "Two losses"', 'title = "x"\nkind = "sample"', "samplers"),
        ('title = "Two losses"', 'title = "x"\nkind = "branch"', "branch_epoch"),
    ],
)
def test_what_is_wrong_is_said(home: Home, old: str, new: str, said: str) -> None:
    assert old in GOOD
    write(home, GOOD.replace(old, new))
    with pytest.raises(UserError, match=said) as caught:
        load_study(home, "mine")
    assert "\n" not in str(caught.value)


def test_more_steps_than_there_are_is_said(home: Home) -> None:
    samplers = '[samplers]\na = { sampler = "ddim", steps = 5 }\nb = { sampler = "ddim", steps = 500 }\n'
    write(home, GOOD[: GOOD.index("[variants]")].replace("[full]", 'kind = "sample"\n[full]') + samplers)
    with pytest.raises(UserError, match=r"mine.toml: variant 'b': --steps 500 is not within 1…200"):
        load_study(home, "mine")


def test_a_name_that_is_not_there(home: Home) -> None:
    with pytest.raises(UserError, match="schedules"):
        load_study(home, "schedule")
    with pytest.raises(UserError, match="no study at"):
        load_study(home, "no/where.toml")
