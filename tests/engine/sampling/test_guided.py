"""Pictures guided by an earlier checkpoint: asked for by name, stored, kept for, and refused where it cannot be."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine.base.errors import UserError
from engine.base.folders import CheckpointFolder, RunFolder, SampleFolder
from engine.base.home import Home
from engine.jobs.context import Work
from engine.jobs.files import Result, new_job_folder, read_spec
from engine.models.build import unet_config
from engine.models.unet import UNet
from engine.runs.checkpoints import Manifest, publish, resolve
from engine.runs.export import export_checkpoint
from engine.runs.record import read_record
from engine.sampling.job import run_sampling
from engine.service.needed import needed
from engine.service.planning import plan_job
from tests.tiny import make_run


def checkpoint(run: RunFolder, step: int, epoch: int, seed: int) -> None:
    """Made up weights: what guides what is all that matters here."""

    def write(folder: CheckpointFolder) -> None:
        for more, path in ((0, folder.model), (1, folder.ema), (2, folder.optimizer)):
            torch.manual_seed(seed + more)
            model = UNet(unet_config(read_record(run).profile))
            # Labels are to be seen in the pictures.
            weights = {
                name: torch.randn_like(p) / (0.5 if name.startswith("labels.") else 9)
                for name, p in model.named_parameters()
            }
            save_file(weights, path)

    publish(
        run,
        Manifest(step=step, epoch=epoch, images=8 * step, position=0, steps_per_epoch=7, architecture="u"),
        write,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Runs `r` with two checkpoints, `other` of eps, `large` of 32 pixels."""
    home = Home(tmp_path_factory.mktemp("home")).create()
    run = make_run(home, "r")
    checkpoint(run, 7, 1, 10)
    checkpoint(run, 14, 2, 20)
    checkpoint(make_run(home, "other", objective={"prediction": "eps"}), 7, 1, 30)
    checkpoint(make_run(home, "large", data={"size": 32}), 7, 1, 40)
    return home


def drawn(home: Home, run: str | None = "r", **args: Any) -> Result:
    args = {"n": 3, "checkpoint": "r@latest", "trajectory": 0, **args}
    folder = new_job_folder(home, "sample", run, args, "cpu", foreground=True)
    return run_sampling(Work(home, folder, read_spec(folder), io.StringIO()))


def pictures(result: Result) -> np.ndarray:
    found: np.ndarray = np.load(SampleFolder(Path(result.extra["folder"])).pictures)
    return found


def record(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(result.extra["folder"]) / "sample.json").read_text())
    return found


def test_a_guide_changes_the_pictures_and_is_stored(home: Home) -> None:
    plain, by = drawn(home), drawn(home, guide="e1")
    assert not np.array_equal(pictures(plain), pictures(by))
    kept = record(by)
    assert (kept["guide"], kept["guide_weights"], kept["guidance"]) == ("r@7", "ema", 1.25)
    files = json.loads((home.run("r").checkpoint(7).path / "manifest.json").read_text())["files"]
    assert kept["guide_sha256"] == files["ema.safetensors"]["sha256"]
    assert record(plain)["guidance"] == 1.0
    again = drawn(home, **{key: kept[key] for key in ("guide", "guide_weights", "guidance", "seed", "steps")})
    assert np.array_equal(pictures(by), pictures(again))


def test_weight_one_plus_a_little_is_nearly_plain_and_batches_change_nothing(home: Home) -> None:
    plain, near = pictures(drawn(home)), pictures(drawn(home, guide="e1", guidance=1.0001))
    assert np.abs(plain.astype(int) - near.astype(int)).max() <= 1
    whole, single = (pictures(drawn(home, guide="e1", guidance=1.5, batch=batch)) for batch in (3, 1))
    assert np.abs(whole.astype(int) - single.astype(int)).max() <= 1


def test_other_weights_of_the_same_checkpoint_guide_too(home: Home) -> None:
    by = record(drawn(home, guide="latest", guide_weights="raw"))
    assert (by["guide"], by["guide_weights"]) == ("r@14", "raw")


def test_an_exported_guide(home: Home, tmp_path: Path) -> None:
    export_checkpoint(home.run("r"), resolve(home, "r@7")[1], tmp_path / "out")
    by = drawn(home, guide=str(tmp_path / "out"))
    assert np.array_equal(pictures(by), pictures(drawn(home, guide="r@7")))
    with pytest.raises(UserError, match="an exported network has no other checkpoints"):
        drawn(home, None, checkpoint=str(tmp_path / "out"), guide="e1")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"guidance": 1.5}, r"--guidance 1\.5: r@14 has learned no labels.*--guide e1"),
        ({"guide": "other@7"}, "other@7 cannot guide r@14: its prediction is eps, not v"),
        ({"guide": "large@7"}, "large@7 cannot guide r@14: its size is 32×32, not 16×16"),
        ({"guide": "latest"}, "the same network with the same weights"),
        ({"guide": "e9"}, "no checkpoint of 'r' named 'e9'"),
        ({"guide": "e1", "guidance": 1.0}, "--guide does nothing at --guidance 1"),
        ({"guide": "e1", "guidance": 101.0}, r"--guidance 101 is not within 0…100"),
        ({"guide": "e1", "guidance_interval": [2.0, 1.0]}, "--guidance-interval 2,1 is empty"),
    ],
)
def test_what_cannot_guide_is_refused_in_a_line(home: Home, args: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        drawn(home, **args)


def test_a_queued_guide_is_found_at_once_and_kept_for_the_job(home: Home) -> None:
    run, args = plan_job(home, [], "sample", {"checkpoint": "r@latest", "guide": "e1"})
    assert (run, args["checkpoint"], args["guide"]) == ("r", "r@latest", "r@7")
    assert not needed(home, "r").of(7, None)
    new_job_folder(home, "sample", run, args)
    assert needed(home, "r").of(7, None)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Run `told` that knows attributes, `kinds` that knows classes, `plain` that knows nothing."""
    home = Home(tmp_path_factory.mktemp("told")).create()
    run = make_run(home, "told", labels={"kind": "attributes", "names": ["Smiling", "Wearing_Hat"]})
    checkpoint(run, 7, 1, 10)
    checkpoint(run, 14, 2, 20)
    checkpoint(make_run(home, "kinds", labels={"kind": "class", "names": ["cat", "dog"]}), 7, 1, 30)
    checkpoint(make_run(home, "other", labels={"kind": "attributes", "names": ["Bald"]}), 7, 1, 40)
    checkpoint(make_run(home, "plain"), 7, 1, 50)
    return home


def asked(home: Home, *groups: str, run: str = "told", **args: Any) -> Result:
    return drawn(home, run, checkpoint=f"{run}@latest", labels=list(groups), **args)


def near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one.astype(int) - other.astype(int)).max() <= 1)


def test_each_group_has_its_pictures_from_the_same_noise(told: Home) -> None:
    both = asked(told, "smiling=1", "smiling=-1,wearing-hat=0.5")
    assert pictures(both).shape[0] == 6
    assert near(pictures(both)[:3], pictures(asked(told, "Smiling=yes")))
    assert near(pictures(both)[3:], pictures(asked(told, "Smiling=-1,Wearing_Hat=0.5")))
    assert not near(pictures(both)[:3], pictures(both)[3:])
    kept = record(both)
    assert (kept["labels"], kept["n"], kept["each"]) == (["Smiling=1", "Smiling=-1,Wearing_Hat=0.5"], 6, 3)
    assert near(pictures(asked(told)), pictures(asked(told, "smiling=0")))
    parts = [
        pictures(asked(told, "smiling=1", "smiling=-1,wearing-hat=0.5", batch=batch)) for batch in (1, 4)
    ]
    assert all(near(part, pictures(both)) for part in parts)


def test_guidance_without_a_guide_is_away_from_the_same_network_without_labels(told: Home) -> None:
    plain, far = pictures(asked(told, "smiling=1")), pictures(asked(told, "smiling=1", guidance=3.0))
    assert not near(plain, far)
    assert near(pictures(asked(told, "smiling=1", guidance=1.00001)), plain)
    assert near(pictures(asked(told, "smiling=1", guidance=3.0, batch=1)), far)
    # At weight 0 nothing but the network without labels is left.
    assert near(pictures(asked(told, "smiling=1", guidance=0.0)), pictures(asked(told)))


def test_a_guide_is_told_the_same_labels_where_it_knows_them(told: Home) -> None:
    by = asked(told, "smiling=1", guide="e1", guidance=1.5)
    assert not near(pictures(by), pictures(asked(told, "smiling=1")))
    assert near(
        pictures(asked(told, "smiling=1", guide="e1", guidance=0.0)),
        pictures(drawn(told, "told", checkpoint="told@7", labels=["smiling=1"])),
    )
    asked(told, "smiling=1", guide="plain@7")
    with pytest.raises(UserError, match="other@7 cannot guide told@14 to labels: it has learned other ones"):
        asked(told, "smiling=1", guide="other@7")


def test_classes(told: Home) -> None:
    both = pictures(asked(told, "class=cat", "class=DOG", run="kinds", guidance=2.0))
    assert not near(both[:3], both[3:])
    with pytest.raises(UserError, match="no class named 'cow'"):
        asked(told, "class=cow", run="kinds")


def test_an_export_knows_its_labels(told: Home, tmp_path: Path) -> None:
    export_checkpoint(told.run("told"), resolve(told, "told@14")[1], tmp_path / "out")
    there = drawn(told, None, checkpoint=str(tmp_path / "out"), labels=["smiling=1"], guidance=2.0)
    assert near(pictures(there), pictures(asked(told, "smiling=1", guidance=2.0)))


@pytest.mark.parametrize(
    ("run", "args", "said"),
    [
        ("told", {"labels": ["smilling=1"]}, "no label named 'smilling' — did you mean 'smiling'"),
        ("told", {"labels": ["smiling=2"]}, "smiling=2 cannot be: a label goes from -1"),
        ("told", {"labels": ["smiling=nan"]}, "smiling=nan cannot be"),
        ("told", {"labels": ["smiling=1,Smiling=-1"]}, "names Smiling twice"),
        ("told", {"labels": ["smiling"]}, "has no value"),
        ("told", {"guidance": 2.0}, "no label is asked for.*--label NAME=1"),
        ("plain", {"labels": ["smiling=1"]}, "nothing is labelled"),
        ("kinds", {"labels": ["smiling=1"]}, "is not one class"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_line(
    told: Home, run: str, args: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as found:
        drawn(told, run, checkpoint=f"{run}@latest", **args)
    assert "\n" not in str(found.value)
    if "labels" in args:
        with pytest.raises(UserError, match=said):
            plan_job(told, [], "sample", {"checkpoint": f"{run}@latest", **args})
