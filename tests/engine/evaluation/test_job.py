"""The shipped worker scoring a tiny run: every measure, its terms, Ctrl-C, a kill, wrong wishes."""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from engine.base.folders import CheckpointFolder, JobFolder, RunFolder
from engine.base.home import ExportPlace, Home
from engine.config.sampling_settings import Settings
from engine.data.catalog import add_source
from engine.data.packed import open_packed
from engine.evaluation.extractors import Inception
from engine.evaluation.job import GOES_ON
from engine.jobs.files import Result, new_job_folder, read_result
from engine.runs.checkpoints import list_checkpoints, publish
from engine.runs.evaluations import read_evaluations
from engine.runs.export import export_checkpoint, read_export
from engine.runs.measures import PLAIN_MEASURES
from engine.runs.pictures import pictures_of
from engine.runs.record import read_record
from engine.runs.trained import find_trained
from engine.sampling.drawing import draw
from engine.sampling.load import load_weights
from tests import tiny
from tests.engine.evaluation import onnx_file

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, RunFolder]:
    folder = tmp_path_factory.mktemp("scored")
    home = Home(folder / "home").create()
    (folder / "dots").mkdir()
    draw = np.random.default_rng(0)
    for index in range(400):  # enough that some are held out
        picture = draw.integers(0, 255, (2, 2, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(picture).save(folder / "dots" / f"{index:03d}.png")
    add_source(home, folder / "dots", "dots")
    run = tiny.make_run(home, "r", diffusion={"steps": 12})
    assert tiny.work(tiny.job(home, run, 1)).returncode == 0
    return home, run


Evaluate = Callable[..., tuple[JobFolder, Result | None]]


@pytest.fixture
def evaluate(trained: tuple[Home, RunFolder]) -> Evaluate:
    home, run = trained

    def call(failpoints: str = "", **args: Any) -> tuple[JobFolder, Result | None]:
        job = new_job_folder(home, "evaluate", run.name, {"checkpoint": "r@latest", "n": 6, **args})
        job.log.write_text(tiny.work(job, failpoints).stdout)
        return job, read_result(job)

    return call


def test_the_measures_that_need_no_weights(trained: tuple[Home, RunFolder], evaluate: Evaluate) -> None:
    job, result = evaluate(seed=3, steps=4)
    assert result is not None
    assert result.outcome == "done", result
    (found,) = [e for e in read_evaluations(trained[1]) if e.id.startswith(job.id)]
    assert tuple(found.scores) == PLAIN_MEASURES
    for score in found.scores.values():
        assert np.isfinite([score.value, score.low, score.high]).all()
        assert score.low <= score.value <= score.high
        assert (score.recipe, score.size, score.weights, score.extractor) == ("whole", 16, "ema", None)
        assert score.reference.dataset == "dots"
    sampled = found.scores["sliced_wasserstein"]
    assert (sampled.n, sampled.sampler, sampled.steps, sampled.seed) == (6, "dpmpp", 4, 3)
    assert found.scores["val_loss"].sampler is None
    assert len(found.scores["val_loss"].detail["bands"]) == 10
    parts = found.scores["bits_per_dim"].detail
    total = parts["prior"] + parts["transitions"] + parts["decoder"]
    assert total == pytest.approx(found.scores["bits_per_dim"].value)
    assert found.pairs is not None
    assert Image.open(found.pairs).size[1] == (2 * 16 + 2) * 3
    assert result.extra["evaluation"]["scores"].keys() == found.scores.keys()


def test_the_same_wish_gives_the_same_scores_whatever_the_batch(
    trained: tuple[Home, RunFolder], evaluate: Evaluate
) -> None:
    values = []
    for batch in (6, 6, 4):
        _, result = evaluate(batch=batch, measures=["sliced_wasserstein", "memorisation", "bits_per_dim"])
        assert result is not None
        values.append([s["value"] for s in result.extra["evaluation"]["scores"].values()])
    assert values[0] == values[1]
    assert values[2] == pytest.approx(values[0], rel=0.02)


def test_an_exported_checkpoint_has_its_runs_scores(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, tmp_path: Path
) -> None:
    home, run = trained
    folder = export_checkpoint(run, find_trained(home, "r@latest").of, tmp_path / "exported")  # type: ignore[arg-type]
    wish = {"measures": ["val_loss", "sliced_wasserstein"], "seed": 4, "batch": 3}
    _, known = evaluate(**wish)
    job, result = evaluate(**wish, checkpoint=str(folder))
    assert result is not None
    assert known is not None
    assert result.outcome == "done", result
    digest = read_export(folder).sha256
    (found,) = read_evaluations(ExportPlace(home, "r", digest))
    assert found.id.startswith(job.id)
    assert found.path.parent == home.root / "evaluations"
    assert not read_evaluations(ExportPlace(home, "r", "another"))
    same = ({k: s["value"] for k, s in r.extra["evaluation"]["scores"].items()} for r in (result, known))
    assert next(same) == next(same)

    other = Home(tmp_path / "elsewhere").create()
    job = new_job_folder(other, "evaluate", None, {"checkpoint": str(folder), "n": 6})
    tiny.work(job)
    result = read_result(job)
    assert result is not None
    assert result.message.startswith(f"the pictures that {folder} learned from are needed: no data set")
    assert "data add" in (result.hint or "")


def test_features_of_a_file_have_its_name_and_are_kept_with_the_data(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    file = str(onnx_file.write(tmp_path / "mean.onnx"))
    values = []
    for _ in range(2):
        _, result = evaluate(extractor=file, measures=["frechet", "kid", "precision", "recall"])
        assert result is not None
        assert result.outcome == "done", result
        scores = result.extra["evaluation"]["scores"]
        assert list(scores) == ["frechet[mean]", "kid[mean]", "precision[mean]", "recall[mean]"]
        assert all(s["extractor"].startswith("mean (") for s in scores.values())
        values.append([s["value"] for s in scores.values()])
    assert values[0] == values[1]
    (kept,) = trained[0].data.glob("dots-*/statistics/mean-held_out-*.safetensors")
    # Damaged, it is made again.
    kept.write_bytes(kept.read_bytes()[:50])
    _, result = evaluate(extractor=file, measures=["frechet"])
    assert result is not None
    assert [s["value"] for s in result.extra["evaluation"]["scores"].values()] == values[0][:1]


@pytest.mark.slow
def test_inceptions_distances_to_their_end(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, random_weights: Path
) -> None:
    _, result = evaluate(
        n=8, measures=["fid", "kid", "precision", "recall"], inception_weights=str(random_weights)
    )
    assert result is not None
    assert result.outcome == "done", result
    scores = result.extra["evaluation"]["scores"]
    assert list(scores) == ["fid", "kid", "precision", "recall"]
    assert {s["extractor"].partition(" (")[0] for s in scores.values()} == {"inception-v3"}

    home, run = trained
    loaded = load_weights(find_trained(home, "r@latest"), "ema", "cpu")
    settings = Settings.from_profile(loaded.profile, seed=0)
    (drawn,) = draw(loaded.model, loaded.schedule, loaded.profile, loaded.plan, settings, 8, 8)
    packed = open_packed(pictures_of(home, read_record(run)))
    network = Inception(random_weights, torch.device("cpu"))
    fake, real = (
        network.features(np.ascontiguousarray(p)).astype(np.float64)
        for p in (drawn.pictures.transpose(0, 3, 1, 2), packed.pictures[packed.held_out])
    )
    # tr (Σ_a Σ_b)^½ is the sum of the singular values of A Bᵀ where Σ_a = AᵀA and Σ_b = BᵀB.
    a, b = ((x - x.mean(0)) / np.sqrt(len(x) - 1) for x in (fake, real))
    mixed = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = ((fake.mean(0) - real.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum() - 2 * mixed
    assert expected > 0
    assert scores["fid"]["value"] == pytest.approx(expected, rel=1e-3)
    assert scores["fid"]["low"] < scores["fid"]["value"] < scores["fid"]["high"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"n": 1}, "at least 2"),
        ({"measures": ["fidd"]}, "did you mean 'fid'?"),
        ({"steps": 13}, "not within 1…12"),
        ({"reference": "test"}, "held_out and train"),
        ({"measures": ["frechet"], "extractor": __file__}, "is not an ONNX network"),
    ],
)
def test_wrong_wishes_are_one_line(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, args: dict[str, Any], said: str
) -> None:
    before = list(trained[1].evaluations.glob("*")) if trained[1].evaluations.exists() else []
    _, result = evaluate(**args)
    assert result is not None
    assert result.outcome == "failed"
    assert said in f"{result.message} {result.hint}"
    assert "Traceback" not in json.dumps(result.message)
    assert before == (list(trained[1].evaluations.glob("*")) if trained[1].evaluations.exists() else [])


@pytest.mark.parametrize(
    ("failpoint", "outcome"),
    [
        ("evaluate.step:5=kill", None),
        ("evaluate.step:5=term", "stopped"),
        ("evaluation.before_record=kill", None),
    ],
)
def test_stopped_midway_nothing_is_half_written(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, failpoint: str, outcome: str | None
) -> None:
    job, result = evaluate(failpoint, measures=["val_loss", "memorisation"])
    assert (result.outcome if result else None) == outcome
    assert not [e for e in read_evaluations(trained[1], complain=pytest.fail) if e.id.startswith(job.id)]


WISH = {"measures": ["val_loss", "sliced_wasserstein", "memorisation"], "seed": 9, "batch": 2}


def test_it_goes_on_where_it_was(trained: tuple[Home, RunFolder], evaluate: Evaluate) -> None:
    """Killed after the first batch of samples, stopped after the first measure of them: the figures are those of an
    evaluation that nothing disturbed, and nothing is made twice."""
    _, undisturbed = evaluate(**WISH)
    others = set(trained[1].evaluations.glob(".kept-*"))
    killed, _ = evaluate("evaluate.step:36=kill", **WISH)
    assert "val_loss:" in killed.log.read_text()
    stopped, result = evaluate("evaluate.step:17=term", **WISH)
    assert result is not None
    assert (result.outcome, result.hint) == ("stopped", GOES_ON)
    log = stopped.log.read_text()
    assert "kept of the same evaluation, which was not finished: val_loss, 2 samples" in log
    assert "val_loss:" not in log
    last, result = evaluate(**WISH)
    assert undisturbed is not None
    assert result is not None
    log = last.log.read_text()
    assert "not finished: val_loss, sliced_wasserstein, 6 samples" in log
    assert "sliced_wasserstein:" not in log
    found, expected = (
        {k: (s["value"], s["low"], s["high"], s["n"]) for k, s in r.extra["evaluation"]["scores"].items()}
        for r in (result, undisturbed)
    )
    assert list(found) == WISH["measures"]
    assert found == expected
    (evaluation,) = [e for e in read_evaluations(trained[1]) if e.id.startswith(last.id)]
    assert evaluation.pairs is not None
    assert set(trained[1].evaluations.glob(".kept-*")) == others


@pytest.mark.parametrize(
    "other", [{"seed": 8}, {"steps": 2}, {"n": 7}, {"weights": "raw"}, {"reference": "train"}]
)
def test_another_wish_finds_nothing_kept(evaluate: Evaluate, other: dict[str, Any]) -> None:
    evaluate("evaluate.step:36=term", **WISH)
    job, _ = evaluate(**{**WISH, **other, "measures": ["val_loss"]})
    assert "kept of the same" not in job.log.read_text()


def test_one_measure_that_cannot_be_taken_stops_no_other(
    trained: tuple[Home, RunFolder], evaluate: Evaluate, tmp_path: Path
) -> None:
    """fid comes first and has no weights that are any."""
    (tmp_path / "weights.pth").write_bytes(b"no weights")
    job, result = evaluate(
        measures=["fid", "kid", "sliced_wasserstein", "val_loss"],
        inception_weights=str(tmp_path / "weights.pth"),
    )
    assert result is not None
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert "fid cannot be taken" in result.message
    assert set(result.extra["missed"]) == {"fid", "kid"}
    (found,) = [e for e in read_evaluations(trained[1]) if e.id.startswith(job.id)]
    assert set(found.scores) == {"sliced_wasserstein", "val_loss"}
    assert str(found.path) in (result.hint or "")


@pytest.fixture(params=[np.nan, np.inf], ids=["NaN", "infinite"])
def home_of_nan(request: pytest.FixtureRequest, tmp_path: Path, trained: tuple[Home, RunFolder]) -> Home:
    """The trained run, whose newest checkpoint has a weight that is none."""
    shutil.copytree(trained[0].root, tmp_path / "home")
    home = Home(tmp_path / "home")
    run = home.run("r")
    shutil.rmtree(run.evaluations, ignore_errors=True)
    before = list_checkpoints(run)[-1]

    def spoil(folder: CheckpointFolder) -> None:
        for source, target in (
            (before.folder.model, folder.model),
            (before.folder.ema, folder.ema),
            (before.folder.optimizer, folder.optimizer),
        ):
            tensors = load_file(source)
            for name in tensors:
                if target != folder.optimizer and "conv_out" in name:
                    tensors[name] = np.full_like(tensors[name], request.param)
            save_file(tensors, target)

    publish(run, dataclasses.replace(before.whole(), step=before.step + 7, epoch=2), spoil)
    return home


def test_weights_that_are_not_finite_have_neither_scores_nor_pictures(home_of_nan: Home) -> None:
    """An infinity that is clipped, and a NaN that becomes black, would pass for pictures."""
    for kind, args in (
        ("evaluate", {"n": 4, "measures": ["val_loss", "sliced_wasserstein", "bits_per_dim"]}),
        ("sample", {"n": 4}),
    ):
        job = new_job_folder(home_of_nan, kind, "r", {"checkpoint": "r@latest", **args})
        tiny.work(job)
        result = read_result(job)
        assert result is not None
        assert (result.outcome, result.exit_code) == ("failed", 1), result
        assert "finite" in result.message
    assert not list(home_of_nan.run("r").samples.glob("*/pictures.npy"))
    assert not read_evaluations(home_of_nan.run("r"))
