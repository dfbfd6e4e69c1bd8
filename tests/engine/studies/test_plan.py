"""What a study takes for its own: sets, epochs and sizes that are what it asked for, beside others of the same run."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import UserError
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.runs.metrics import MetricsWriter
from engine.runs.record import run_names
from engine.studies import report
from engine.studies.plan import prepare, shown_sets, steps
from engine.studies.spec import load_study

HOW = {"sampler": "ddim", "steps": 20}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = Home(tmp_path).create().run("r")
    folder.path.mkdir()
    return folder


def drawn(run: RunFolder, id_: str, **changed: Any) -> None:
    (run.samples / id_).mkdir(parents=True)
    facts = {"checkpoint": 100, "n": 12, "seed": 0, "eta": 0.0, **HOW, **changed}
    (run.samples / id_ / "sample.json").write_text(json.dumps(facts))


def test_a_variant_is_shown_by_sets_of_its_checkpoint_noise_and_way(run: RunFolder) -> None:
    others = {"checkpoint": 200}, {"n": 11}, {"seed": 1}, {"steps": 10}, {"sampler": "ddpm"}
    drawn(run, "000001")
    drawn(run, "000002")
    for number, changed in enumerate(others, 3):
        drawn(run, f"00000{number}", **changed)
    assert [r["folder"].name for r in shown_sets(run, 100, HOW)] == ["000002", "000001"]
    assert [r["folder"].name for r in shown_sets(run, 200, HOW)] == ["000003"]


def test_figures_of_a_run_that_went_on_are_those_of_the_studys_epoch(run: RunFolder) -> None:
    writer = MetricsWriter(run.metrics)
    for epoch in (1, 2, 3):
        writer.write(
            {
                "kind": "epoch",
                "step": 10 * epoch,
                "epoch": epoch,
                "images": 640 * epoch,
                "eps_error": 1 / epoch,
            }
        )
    writer.close()
    outcome = report.Outcome("v")
    report._training(run, 2, outcome)
    assert outcome.figures == {"eps error": [0.5], "pictures seen": [1280.0]}
    report._training(run, 9, missing := report.Outcome("v"))
    assert missing.figures == {}


def test_a_study_makes_no_run_on_pictures_that_are_gone(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    study = load_study(home, "loss")
    first = steps(home, study, small=False)[0]
    with pytest.raises(UserError, match="no data set named 'celeba' yet"):
        prepare(home, study, False, first)
    assert run_names(home) == []
    prepare(home, study, True, steps(home, study, small=True)[0])
    assert len(run_names(home)) == 1
