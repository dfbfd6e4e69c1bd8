"""What a study needs and what it comes to, from runs that were trained for real, tiny ones."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.named import load
from engine.config.store import build_profile, save_profile, to_toml
from engine.data.catalog import add_source
from engine.figures.sheet import labelled_sheet
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_spec
from engine.jobs.kinds import KINDS
from engine.studies.plan import check_settings, prepare, steps
from engine.studies.report import spread, write_report
from engine.studies.spec import Study, load_study
from tests.tiny import BRANCH_STUDY, TINY

LOSSES = """
title = "Losses"
question = "Which one?"
[full]
base = "tiny"
epochs = 1
seeds = [0, 1]
samples = 4
measures = ["val_loss"]
[variants]
l1 = ["objective.loss=l1"]
l2 = ["objective.loss=l2"]
"""
SAMPLERS = """
title = "Samplers"
kind = "sample"
[full]
base = "tiny"
epochs = 1
seeds = [0]
samples = 4
[samplers]
few = { sampler = "ddim", steps = 2 }
more = { sampler = "ddim", steps = 4 }
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, many_pictures: Path) -> Home:
    home = Home(tmp_path / "home").create()
    add_source(home, many_pictures, "dots")
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))
    return home


def study(home: Home, text: str) -> Study:
    home.studies.mkdir(exist_ok=True)
    (home.studies / "tried.toml").write_text(text)
    return load_study(home, "tried")


def follow(home: Home, one: Study, most: int = 100) -> int:
    """Do what is left, at most so many jobs, planning anew after each as the program does; how many were done."""
    for done in range(most):
        step = next((s for s in steps(home, one, False) if not s.done), None)
        if step is None:
            return done
        prepare(home, one, False, step)
        folder = new_job_folder(home, step.kind, step.run, step.args)
        # In this process: a worker of its own would spend most of its time importing torch.
        result = load(KINDS[step.kind].handler)(Work(home, folder, read_spec(folder)))
        assert result.outcome == "done", result
    return most


def test_a_study_from_nothing_to_its_report(home: Home, tmp_path: Path) -> None:
    one = study(home, LOSSES)
    out = tmp_path / "report"
    with pytest.raises(UserError, match="has run yet"):
        write_report(home, one, False, out, "cmd")
    assert follow(home, one, most=3) == 3
    part = write_report(home, one, False, out, "cmd")
    assert any("tried.l2.s1 is not trained to epoch 1" in line for line in part.missing)
    assert "Missing:" in (out / "README.md").read_text()
    assert follow(home, one) == 5
    whole = write_report(home, one, False, out, "ddpm-tui study report tried")
    assert whole.missing == ()
    text = (out / "README.md").read_text()
    assert "Fewer than three seeds" in text
    assert "Missing" not in text
    assert all(f"| {name} |" in text for name in ("l1", "l2"))
    rows = list(csv.DictReader((out / "table.csv").open()))
    assert [row["variant"] for row in rows] == ["l1", "l2"]
    assert all(row["held-out loss seeds"] == "2" for row in rows)
    content = json.loads((out / "report.json").read_text())
    assert content["profiles"]["tried.l1.s1"]["training"]["seed"] == 1
    assert content["variants"]["l1"]["eps error"] != content["variants"]["l2"]["eps error"]
    assert {p.name for p in out.iterdir()} == {
        "README.md",
        "table.csv",
        "report.json",
        "curves.png",
        "faces.png",
    }
    assert follow(home, one) == 0, "run again, nothing is left to do"

    # Runs of the same names are not those of a study that was changed.
    redrawn = study(home, LOSSES.replace("epochs = 1", 'epochs = 1\nset = ["sampling.steps=2"]'))
    check_settings(home, redrawn, False)
    changed = study(home, LOSSES.replace("loss=l2", 'loss=l2", "optim.lr=0.5'))
    with pytest.raises(
        UserError, match=r"'tried.l2.s0' was created with other settings: optim.lr is 0.\d+, and"
    ):
        check_settings(home, changed, False)
    assert [step.run for step in steps(home, changed, False) if not step.done][::2] == [
        "tried.l2.s0",
        "tried.l2.s0",
    ]
    half = write_report(home, changed, False, out, "cmd")
    assert [bool(outcome.figures) for outcome in half.outcomes] == [True, False]
    assert half.missing[0].startswith("l2: tried.l2.s0 was created with other settings (optim.lr is ")
    with pytest.raises(UserError, match="epochs is 1, and the study has 2"):
        write_report(home, study(home, LOSSES.replace("epochs = 1", "epochs = 2")), False, out, "cmd")


def test_branches_begin_at_one_checkpoint(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.runs.record import load_run

    sheets = []
    monkeypatch.setattr(
        "engine.studies.report.labelled_sheet",
        lambda cells, *args, **how: sheets.append(cells) or labelled_sheet(cells, *args, **how),
    )

    one = study(home, BRANCH_STUDY)
    assert follow(home, one) == 5
    for name, rate in (("fast", 1e-3), ("slow", 1e-5)):
        record = load_run(home, f"tried.{name}.s0")
        assert record.lineage is not None
        assert (record.lineage.parent, record.lineage.epoch) == ("tried.base.s0", 1)
        assert record.profile.optim.lr == rate
    assert write_report(home, one, False, tmp_path / "report", "cmd").missing == ()
    [[fast, slow]] = sheets
    assert fast[0] is not None, "where both begin, the faces of their base"
    assert np.array_equal(fast[0], slow[0])
    last = len(fast) // 2
    assert not np.array_equal(fast[last], slow[last])


def test_samplers_share_one_run(home: Home, tmp_path: Path) -> None:
    one = study(home, SAMPLERS)
    kinds = [step.kind for step in steps(home, one, False)]
    assert kinds == ["train", "sample", "evaluate", "sample", "evaluate"]
    assert follow(home, one) == 5
    made = write_report(home, one, False, tmp_path / "report", "cmd")
    assert made.missing == ()
    figures = [outcome.figures["sliced wasserstein"] for outcome in made.outcomes]
    assert figures[0] != figures[1]
    assert (tmp_path / "report" / "faces.png").exists()


def test_a_score_made_otherwise_is_not_the_studys(home: Home, tmp_path: Path) -> None:
    one = study(home, LOSSES.replace('measures = ["val_loss"]', 'measures = ["sliced_wasserstein"]'))
    assert follow(home, one, most=4) == 4
    step = next(s for s in steps(home, one, False) if not s.done)
    for other in ({"weights": "raw"}, {"seed": 7}, {"clip": False}, {"reference": "train"}):
        args = {**step.args, **other}
        folder = new_job_folder(home, "evaluate", step.run, args)
        assert load(KINDS["evaluate"].handler)(Work(home, folder, read_spec(folder))).outcome == "done"
        assert step == next(s for s in steps(home, one, False) if not s.done), other
        assert write_report(home, one, False, tmp_path / "report", "cmd").outcomes[0].terms == {}
    follow(home, one)
    out = tmp_path / "report"
    made = write_report(home, one, False, out, "cmd")
    (terms,) = {o.terms["sliced wasserstein"] for o in made.outcomes}
    assert terms.startswith("N=4 samples, dpmpp×3 logsnr, ema weights, seed 0")
    assert terms in (out / "README.md").read_text()
    assert terms in (out / "table.csv").read_text()
    assert json.loads((out / "report.json").read_text())["terms"]["l1"] == {"sliced wasserstein": terms}


def test_figures_are_shown_with_their_spread() -> None:
    assert spread([]) == "–"
    assert spread([0.25]) == "0.25"
    assert spread([1.0, 3.0]) == "2 ± 1.4"
    assert spread([2.0, 2.0]) == "2"
    assert spread([11712.0, 11712.0]) == "11,712"
