"""An exported checkpoint draws in other programs what it draws here, without this program being there."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from engine.base.errors import DamagedError, DdpmError, UserError
from engine.base.home import Home
from engine.export import writers
from engine.export.formats import FORMATS
from engine.export.onnx_file import halve
from engine.export.standalone import numpy_sampler
from engine.runs.export import read_export
from tests.engine.export.conftest import SEEDS, Exported, export, home_with_a_run

ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {refused}:
            raise ModuleNotFoundError(f"{{name}} is not to be imported")

sys.meta_path.insert(0, Refuse())
"""


def run_alone(code: str, folder: Path, *arguments: str, refused: set[str], cache: Path) -> None:
    """Run `code` in a process that can import none of `refused`, and nothing from this checkout."""
    script = ALONE.format(refused=repr(refused)) + code
    ended = subprocess.run(
        [sys.executable, "-P", "-c", script, *arguments],
        cwd=folder,
        env={
            "HF_MODULES_CACHE": str(cache),
            "HOME": str(cache),
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr


def apart(first: np.ndarray, second: np.ndarray) -> int:
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())


def test_the_script_draws_with_numpy_and_onnxruntime_alone(exported: Exported, tmp_path: Path) -> None:
    out = tmp_path / "drawn.npy"
    refused = {"torch", "engine", "ddpm_tui", "PIL", "safetensors", "pydantic"}
    code = "import runpy; sys.argv[0] = 'sample.py'; runpy.run_path('sample.py', run_name='__main__')"
    run_alone(code, exported.of("onnx"), "-n", str(SEEDS), "--out", str(out), refused=refused, cache=tmp_path)
    assert apart(np.load(out), exported.pictures) <= 1


def test_diffusers_draws_without_this_program(exported: Exported, tmp_path: Path) -> None:
    code = f"""
import numpy as np
from diffusers import DiffusionPipeline

pipeline = DiffusionPipeline.from_pretrained(".", trust_remote_code=True)
pictures = pipeline(n={SEEDS}, seed=0, batch_size=2, output_type="np").images
assert pipeline(n=1).images[0].size == (16, 16)
np.save(sys.argv[1], pictures)
"""
    out, folder = tmp_path / "drawn.npy", exported.of("diffusers")
    run_alone(code, folder, str(out), refused={"engine", "ddpm_tui"}, cache=tmp_path)
    assert apart(np.load(out), exported.pictures) <= 1


def test_every_format_says_how_far_it_is_from_the_original(exported: Exported) -> None:
    assert set(exported.result.extra["formats"]) == set(FORMATS)
    for form in FORMATS:
        check = json.loads((exported.of(form) / "check.json").read_text())
        assert (check["pictures"], check["stored_as"]) == (SEEDS, "float32")
        assert check["largest"] <= 1
        assert check["mean"] < 0.01
        card = (exported.of(form) / "README.md").read_text()
        for said in (
            "license: cc-by-4.0",
            "data set `dots`, 16×16",
            f"over {SEEDS} seeds the largest error",
            "dpmpp×3",
            "1 epochs (7 steps of 8 pictures)",
            "None was measured.",
            "ddpm-tui checkpoints export r root/out",
            "![Faces that it drew](faces.png)",
        ):
            assert said in card, form
        assert (exported.of(form) / "faces.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_in_an_export_names_a_place_of_this_machine(exported: Exported) -> None:
    here = str(Path(__file__).parents[3]).encode()
    for path in exported.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert here not in content, path
            assert str(exported.home.root).encode() not in content, path


def test_the_safetensors_say_what_they_are_of(exported: Exported) -> None:
    path = exported.of("safetensors") / "model.safetensors"
    with safe_open(path, "np") as file:
        metadata = file.metadata()
    assert json.loads(metadata["unet"])["width"] == 8
    assert json.loads(metadata["drawing"])["prediction"] == "v"
    original = load_file(exported.home.run("r").checkpoint(7).ema)
    stored = load_file(path)
    assert all(np.array_equal(stored[name], value) for name, value in original.items())


def test_half_of_the_bytes(exported: Exported, tmp_path: Path) -> None:
    result = export(exported.home, tmp_path / "half", "folder", "safetensors", "diffusers", half=True)
    for form, check in result.extra["formats"].items():
        assert 0 < check["mean"] < 1, form
        assert check["largest"] <= 10
    for path in ("folder/model.safetensors", "safetensors/model.safetensors"):
        assert {value.dtype for value in load_file(tmp_path / "half" / path).values()} == {
            np.dtype(np.float16)
        }
    assert read_export(tmp_path / "half" / "folder").weights == "ema"


def test_onnx_runtime_computes_with_half_of_the_bytes(exported: Exported, tmp_path: Path) -> None:
    path = exported.of("onnx") / "model.onnx"
    network = onnx.load(path)
    halve(network)
    onnx.checker.check_model(network)
    onnx.save(network, tmp_path / "model.onnx")
    facts = numpy_sampler.read_facts(exported.of("onnx"))
    drawn = numpy_sampler.draw(numpy_sampler.open_network(tmp_path), facts, range(SEEDS))
    assert 0 < apart(drawn, exported.pictures) <= 10
    assert (tmp_path / "model.onnx").stat().st_size < 0.75 * path.stat().st_size


def test_an_exported_folder_can_be_exported_again(exported: Exported, tmp_path: Path) -> None:
    elsewhere = Home(tmp_path / "elsewhere").create()
    source = str(exported.of("folder"))
    export(elsewhere, tmp_path / "again", "safetensors", checkpoint=source)
    again = load_file(tmp_path / "again" / "model.safetensors")
    first = load_file(exported.of("safetensors") / "model.safetensors")
    assert all(np.array_equal(again[name], value) for name, value in first.items())
    with pytest.raises(UserError, match="is such a folder already"):
        export(elsewhere, tmp_path / "third", "folder", checkpoint=source)


def test_what_cannot_be_exported_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported: Exported
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    with pytest.raises(UserError, match="full is not empty — name a new folder"):
        export(exported.home, tmp_path / "full", "safetensors")
    blind = writers.Exported.weights
    monkeypatch.setattr(
        writers.Exported, "weights", lambda self: {name: -value for name, value in blind(self).items()}
    )
    with pytest.raises(DdpmError, match="draws other pictures than the checkpoint"):
        export(exported.home, tmp_path / "wrong", "safetensors")
    home = home_with_a_run(tmp_path / "home")
    ema = home.run("r").checkpoint(7).ema
    content = ema.read_bytes()
    ema.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedError, match=r"checkpoint r@7 is damaged: .*ema\.safetensors"):
        export(home, tmp_path / "damaged", "safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "home"]
