"""`evaluate` and `queue evaluate`: what is refused at once, and a real worker's scores in the run and on the screen."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.checkpoints import resolve
from engine.runs.evaluations import Reference, Score, read_evaluations, write_evaluation
from engine.runs.export import export_checkpoint
from engine.runs.trained import find_trained
from tests.ddpm_tui.cli.conftest import Cli
from tests.engine.runs.test_evaluations import SWD
from tests.engine.service.support import Service
from tests.tiny import job, make_run, work
from tests.torchless import trained_run


@pytest.fixture
def trained(home: Home, many_pictures: Path) -> str:
    add_source(home, many_pictures, "dots")
    run = make_run(home, "tiny")
    assert work(job(home, run, 1)).returncode == 0
    return "tiny"


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("forked_workers")
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
        (("--measures", "beauty"), 2, "beauty"),
        (("--measures", "fid", "--inception-weights", "none.pth"), 1, "none.pth"),
        (("--measures", "frechet"), 2, "--extractor"),
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


def test_an_exported_folder_is_queued_by_its_whole_path(
    home: Home, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine works in another folder than the person."""
    run = trained_run(home, "r", 1)
    export_checkpoint(run, resolve(home, "r")[1], tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    asked = []

    def request(_: Home, do: str, **args: Any) -> dict[str, Any]:
        asked.append((args["kind"], args["args"]["checkpoint"]))
        return {"says": [], "job": None, "added": False}

    monkeypatch.setattr("ddpm_tui.cli.queue_add.insistent_request", request)
    assert cli("queue", "sample", "./out").code == 0
    assert cli("queue", "evaluate", "out/").code == 0
    assert asked == [("sample", str(tmp_path / "out")), ("evaluate", str(tmp_path / "out"))]


def test_checkpoints_show_has_the_scores_of_an_exported_folder(home: Home, cli: Cli, tmp_path: Path) -> None:
    run = trained_run(home, "r", 1)
    export_checkpoint(run, resolve(home, "r")[1], tmp_path / "out")
    place = find_trained(home, str(tmp_path / "out")).place
    write_evaluation(place, 7, 1.0, "ema", {"sliced_wasserstein": SWD}, "a")
    shown = " ".join(cli("checkpoints", "show", str(tmp_path / "out")).out.split())
    assert "r@7, exported" in shown
    assert SWD.line() in shown
    facts = cli("checkpoints", "show", str(tmp_path / "out"), "--json").json
    assert (facts["run"], facts["step"], facts["weights"]) == ("r", 7, "ema")
    assert facts["scores"]["sliced_wasserstein"]["value"] == SWD.value
    assert "sliced" not in cli("checkpoints", "show", "r@7").out


def test_runs_show_has_the_newest_scores_of_each_measure(home: Home, cli: Cli) -> None:
    run = trained_run(home, "r", 4)
    loss = Score(
        "val_loss", 0.25, 0.2, 0.3, 200, "lower", "l2", None, "whole", 16, None, None, None, 0, "ema",
        Reference("dots", "held_out", 200, "abc"), 1.0,
    )  # fmt: skip
    for step in (7, 14, 21, 28):
        write_evaluation(run, step, step / 7, "ema", {"val_loss": dataclasses.replace(loss, value=step)}, "a")
    again = dataclasses.replace(loss, value=99.0, seed=5)
    write_evaluation(
        run, 28, 4.0, "ema", {"val_loss": again, "kid": dataclasses.replace(loss, name="kid")}, "b"
    )
    (run.evaluations / "00000021-c.json").write_text("no scores")

    shown = cli("runs", "show", "r")
    scores = [line for line in shown.out.splitlines() if line.startswith(("val_loss", "kid"))]
    assert [line.split()[:2] for line in scores] == [
        ["val_loss", "@14"], ["val_loss", "@21"], ["val_loss", "@28"], ["kid", "@28"],
    ]  # fmt: skip
    assert again.line() in scores[2]
    assert "00000021-c.json" in shown.err
    wire = cli("runs", "show", "r", "--json").json["scores"]
    assert [(s["checkpoint"], s["value"]) for s in wire] == [(14, 14), (21, 21), (28, 99), (28, 0.25)]
    assert wire[0]["reference"] == {"dataset": "dots", "part": "held_out", "n": 200, "fingerprint": "abc"}


@pytest.mark.slow
@pytest.mark.e2e
def test_queued_the_shipped_worker_scores(home: Home, trained: str) -> None:
    service = Service(home, [sys.executable, "-P", "-m", "engine.worker"])
    try:
        queued = service.command_line(
            "queue",
            "evaluate",
            f"{trained}@latest",
            "-n",
            "4",
            "--measures",
            "val_loss,memorisation",
            "--steps",
            "2",
        )
        assert "Queued as job" in queued.stdout
        waited = service.command_line(
            "queue", "wait", queued.stdout.split("job ")[1].split(".")[0], check=False
        )
        assert waited.returncode == 0, waited.stderr
        (kept,) = read_evaluations(home.run(trained))
        assert set(kept.scores) == {"val_loss", "memorisation"}
        assert (kept.scores["memorisation"].steps, kept.scores["memorisation"].n) == (2, 4)
        assert kept.pairs is not None
        refused = service.command_line("queue", "evaluate", "nobody@latest", check=False)
        assert refused.returncode != 0
        assert "nobody" in refused.stderr
    finally:
        service.close()
