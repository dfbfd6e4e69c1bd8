"""Each format: write a folder, and draw pictures from the written files. Needs torch."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.version import VERSION
from engine.config.names import Weights
from engine.config.sampling_settings import Settings
from engine.export.bundle import bundle
from engine.export.drawing_facts import drawing_facts
from engine.export.runtime import copy_runtime
from engine.export.standalone import numpy_sampler
from engine.models.build import check_fits, read_weights, unet_config
from engine.models.unet import UNet
from engine.runs.checkpoints import CheckpointInfo
from engine.runs.export import export_checkpoint
from engine.runs.trained import Trained, find_trained
from engine.sampling.drawing import draw
from engine.sampling.load import Loaded, load

BATCH = 16
"""Pictures at once while an export is checked."""

WEB_FILES = ("index.html", "page.js", "draw.js")


@dataclass(frozen=True)
class Exported:
    """The source of an export: the checkpoint, its network on the CPU in float32, and how pictures are drawn from
    it."""

    home: Home
    trained: Trained
    loaded: Loaded
    settings: Settings
    half: bool
    runtime: Path | None = None
    networks: list[Path] = field(default_factory=list)
    """ONNX files that were written of it."""

    @property
    def size(self) -> int:
        return self.trained.profile.data.size

    @property
    def facts(self) -> dict[str, Any]:
        return drawing_facts(self.trained.profile, self.loaded.schedule, self.settings)

    def weights(self) -> dict[str, Tensor]:
        """Return name → tensor, as it will be stored. Raises UserError if a weight does not fit float16."""
        found = {name: value.contiguous() for name, value in self.loaded.model.state_dict().items()}
        if not self.half:
            return found
        halves = {name: value.half() for name, value in found.items()}
        for name, value in halves.items():
            if not torch.isfinite(value).all():
                raise UserError(f"{name} has weights that float16 cannot hold", "leave --half out")
        return halves

    def pictures(
        self, count: int, loaded: Loaded | None = None, on_step: Callable[[], None] = lambda: None
    ) -> np.ndarray:
        """Return uint8 (count, size, size, 3) as this program draws them."""
        of = loaded or self.loaded
        drawn = draw(
            of.model, of.schedule, of.profile, of.plan, self.settings, count, BATCH,
            on_step=lambda done, total: on_step(),
        )  # fmt: skip
        return np.concatenate([one.pictures for one in drawn])


def open_source(
    home: Home, trained: Trained, weights: Weights | None, half: bool, runtime: Path | None
) -> Exported:
    """Load a checkpoint for exporting: on the CPU, in float32, so that machines agree on its pictures.

    Raises DamagedError for one that is not whole.
    """
    training = trained.profile.training.model_copy(
        update={"precision": "fp32", "compile": "off", "channels_last": False, "device": "cpu"}
    )
    plain = replace(trained, profile=trained.profile.model_copy(update={"training": training}))
    settings = trained.settings({"weights": weights})
    return Exported(home, trained, load(plain, settings, "cpu"), settings, half, runtime)


Draw = Callable[[int, Callable[[], None]], np.ndarray]
"""Pictures 0 … n−1 of seed 0, uint8 (n, size, size, 3), from the written files; the second is called now and then."""


def write_folder(source: Exported, folder: Path) -> Draw:
    """Write weights, profile and record, as this program reads them."""
    run, of = source.trained.place, source.trained.of
    if not isinstance(of, CheckpointInfo) or source.trained.run is None:
        raise UserError(f"{source.trained.reference} is such a folder already", "leave --format folder out")
    export_checkpoint(source.home.run(run.name), of, folder, source.settings.weights, half=source.half)

    def pictures(count: int, on_step: Callable[[], None]) -> np.ndarray:
        again = open_source(source.home, find_trained(source.home, f"{folder}/"), None, False, None)
        return source.pictures(count, again.loaded, on_step)

    return pictures


def write_safetensors(source: Exported, folder: Path) -> Draw:
    """Write one file of tensors, with their origin in its metadata."""
    path = folder / "model.safetensors"
    metadata = {
        "made_by": f"ddpm-tui {VERSION}",
        "unet": json.dumps(asdict(unet_config(source.trained.profile))),
        "drawing": json.dumps(source.facts),
    }
    save_file(source.weights(), path, metadata)

    def pictures(count: int, on_step: Callable[[], None]) -> np.ndarray:
        model = UNet(unet_config(source.trained.profile)).eval().requires_grad_(False)
        weights = read_weights(path)
        check_fits(dict(model.named_parameters()), weights, path)
        model.load_state_dict(weights)
        return source.pictures(count, replace(source.loaded, model=model), on_step)

    return pictures


def write_diffusers(source: Exported, folder: Path) -> Draw:
    """Write a pipeline folder of diffusers with its own network, scheduler and pipeline code."""
    note = f"Part of a model exported by ddpm-tui {VERSION}; MIT licence."
    for part, module in (
        ("unet/ddpm_tui_unet.py", "diffusers_unet"),
        ("scheduler/ddpm_tui_scheduler.py", "diffusers_scheduler"),
        ("pipeline.py", "diffusers_pipeline"),
    ):
        (folder / part).parent.mkdir(exist_ok=True)
        (folder / part).write_text(bundle(f"engine.export.standalone.{module}", note), encoding="utf-8")
    import diffusers

    version = {"_diffusers_version": diffusers.__version__}
    _write_json(
        folder / "model_index.json",
        {
            "_class_name": ["pipeline", "DdpmTuiPipeline"],
            **version,
            "unet": ["ddpm_tui_unet", "DdpmTuiUNet"],
            "scheduler": ["ddpm_tui_scheduler", "DdpmTuiScheduler"],
        },
    )
    unet = asdict(unet_config(source.trained.profile))
    _write_json(folder / "unet" / "config.json", {"_class_name": "DdpmTuiUNet", **version, "unet": unet})
    facts = source.facts
    scheduler = {key: facts[key] for key in ("log_alpha_bars", "prediction", "spacings")} | facts["settings"]
    if "spacing" in scheduler:  # the requested spacing replaces the sampler's default
        scheduler["spacings"] = {**scheduler["spacings"], scheduler["sampler"]: scheduler.pop("spacing")}
    _write_json(
        folder / "scheduler" / "scheduler_config.json",
        {"_class_name": "DdpmTuiScheduler", **version, **scheduler},
    )
    weights = {f"net.{name}": value for name, value in source.weights().items()}
    save_file(weights, folder / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    return lambda count, on_step: _by_diffusers(folder, count, on_step)


def _by_diffusers(folder: Path, count: int, on_step: Callable[[], None]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as cache:
        # The loader copies the folder's Python files to its import folder, which must not be the user's cache.
        os.environ.setdefault("HF_MODULES_CACHE", cache)
        from diffusers import DiffusionPipeline

        pipeline = DiffusionPipeline.from_pretrained(str(folder), trust_remote_code=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.register_forward_hook(lambda *_: on_step())
    pictures: np.ndarray = pipeline(n=count, seed=0, batch_size=BATCH, output_type="np").images
    return pictures


def write_onnx(source: Exported, folder: Path) -> Draw:
    """Write the network, and a script that draws from it with NumPy and ONNX Runtime."""
    _write_network(source, folder)
    note = f"Part of a model exported by ddpm-tui {VERSION}; MIT licence."
    script = bundle("engine.export.standalone.numpy_sampler", note)
    (folder / "sample.py").write_text(script, encoding="utf-8")
    return lambda count, on_step: _by_numpy(folder, count, on_step)


def write_web(source: Exported, folder: Path) -> Draw:
    """Write a page that draws from the network in the browser, with ONNX Runtime's files if they were given."""
    _write_network(source, folder)
    for name in WEB_FILES:
        (folder / name).write_bytes((Path(__file__).parent / "web_files" / name).read_bytes())
    if source.runtime is not None:
        copy_runtime(source.runtime, folder / "runtime")
    return lambda count, on_step: _by_numpy(folder, count, on_step)


def _write_network(source: Exported, folder: Path) -> None:
    """Write model.onnx and model.json. Another format's network is copied: tracing one takes many seconds."""
    from engine.export import onnx_file

    there = source.networks[0] if source.networks else None
    if there is not None:
        shutil.copyfile(there, folder / "model.onnx")
    else:
        onnx_file.write_onnx(source.loaded.model, source.size, folder / "model.onnx", source.half)
        source.networks.append(folder / "model.onnx")
    _write_json(folder / "model.json", source.facts)


def _by_numpy(folder: Path, count: int, on_step: Callable[[], None]) -> np.ndarray:
    network, facts = numpy_sampler.open_network(folder), numpy_sampler.read_facts(folder)

    def watched(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        on_step()
        return network(x, t)

    starts = range(0, count, BATCH)
    return np.concatenate(
        [numpy_sampler.draw(watched, facts, range(s, min(s + BATCH, count))) for s in starts]
    )


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


WRITERS: dict[str, tuple[Callable[[Exported, Path], Draw], str]] = {
    "folder": (write_folder, "ddpm-tui"),
    "safetensors": (write_safetensors, "ddpm-tui"),
    "diffusers": (write_diffusers, "diffusers"),
    "onnx": (write_onnx, "ONNX Runtime and NumPy"),
    "web": (write_web, "ONNX Runtime and NumPy"),
}
"""By format: what writes it, and what draws from it for the check."""
