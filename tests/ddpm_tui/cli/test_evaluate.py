"""`evaluate`: what it refuses at once, and a real worker's scores in the run and on the screen."""

from pathlib import Path

import pytest

from engine.data.catalog import add_source
from engine.home import Home
from engine.runs.evaluations import read_evaluations
from tests.ddpm_tui.cli.conftest import Cli
from tests.tiny import job, make_run, work


@pytest.fixture
def trained(home: Home, many_pictures: Path) -> str:
    add_source(home, many_pictures, "dots")
    run = make_run(home, "tiny")
    assert work(job(home, run, 1)).returncode == 0
    return "tiny"


@pytest.mark.slow
@pytest.mark.e2e
def test_scores_are_kept_shown_and_as_json(cli: Cli, home: Home, trained: str) -> None:
    ended = cli("evaluate", trained, "-n", "4", "--measures", "val_loss,sliced_wasserstein", "--json")
    assert ended.code == 0, ended.err
    assert set(ended.json["scores"]) == {"val_loss", "sliced_wasserstein"}
    (kept,) = read_evaluations(home.run(trained))
    distance = kept.scores["sliced_wasserstein"]
    assert (distance.n, distance.sampler, distance.weights) == (4, "dpmpp", "ema")
    shown = cli("checkpoints", "show", f"{trained}@latest").out
    assert distance.line() in " ".join(shown.split())
    for arguments, code, said in (
        (("--measures", "beauty"), 1, "beauty"),
        (("--measures", "fid", "--inception-weights", "none.pth"), 1, "none.pth"),
        (("--measures", "frechet"), 1, "--extractor"),
        (("--steps", "51"), 1, "50 diffusion steps"),
        (("-n", "1"), 2, "-n"),
        (("--reference", "test"), 2, "held_out"),
    ):
        refused = cli("evaluate", trained, *arguments)
        assert refused.code == code, (arguments, refused)
        assert said in refused.err, (arguments, refused.err)
    assert len(read_evaluations(home.run(trained))) == 1


def test_a_run_that_is_not_there(cli: Cli) -> None:
    ended = cli("evaluate", "nobody")
    assert ended.code == 1
    assert "nobody" in ended.error
