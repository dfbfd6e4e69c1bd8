"""The model card of an export: README.md in the form of the Hugging Face hub. Never imports torch."""

from collections.abc import Callable
from pathlib import Path

from engine.base.errors import DdpmError
from engine.base.files import write_json
from engine.base.home import Home
from engine.base.text import plural
from engine.base.version import VERSION
from engine.data.manifest import load_manifest
from engine.export.check import Check
from engine.runs.checkpoints import CheckpointInfo
from engine.runs.evaluations import scores_at
from engine.runs.trained import Trained

FACES = "faces.png"
CHECK = "check.json"

USES = {
    "folder": "```\nddpm-tui sample ./DIR --grid faces.png\n```",
    "safetensors": "`model.safetensors` holds the tensors by the names of the network's parameters; its metadata "
    "says which architecture they are for.",
    "diffusers": "```python\nfrom diffusers import DiffusionPipeline\n\n"
    'pipeline = DiffusionPipeline.from_pretrained("DIR", trust_remote_code=True)\n'
    'pipeline(n=16, seed=0).images[0].save("face.png")\n```\n\n'
    "`trust_remote_code` runs the Python files of this folder: read them first.",
    "onnx": "```\npython sample.py -n 16 --seed 0 --out faces.png\n```\n\nIt needs NumPy and ONNX Runtime. "
    "`model.onnx` takes x (N, 3, size, size) float32 and t (N,) int64, with any N.",
    "web": "```\npython -m http.server --directory DIR\n```\n\nAny static server will do. "
    "Nothing is fetched from another host.",
}


def finish(
    folder: Path,
    form: str,
    home: Home,
    trained: Trained,
    weights: str,
    half: bool,
    check: Check,
    command: str,
    license_id: str,
    faces: bytes | None,
    complain: Callable[[str], None] = lambda text: None,
) -> None:
    """Write README.md, check.json and, if there is a picture of some, faces.png (PNG) into an exported folder."""
    stored = "float16" if half else "float32"
    write_json(folder / CHECK, {**check.to_json(), "weights": weights, "stored_as": stored}, durable=False)
    if faces is not None:
        (folder / FACES).write_bytes(faces)
    text = "\n".join(
        [
            *_head(form, license_id),
            f"# {trained.name}",
            "",
            f"A denoising diffusion model, trained and exported by ddpm-tui {VERSION}.",
            "",
            *([f"![Faces that it drew]({FACES})", ""] if faces is not None else []),
            "## Use",
            "",
            USES[form],
            "",
            "## Fidelity",
            "",
            f"The {weights} weights, stored as {stored}. "
            f"Compared with the checkpoint in float32 on a CPU, {check.words()}.",
            "",
            "## Data",
            "",
            *_data(home, trained),
            "",
            "## Training",
            "",
            *_training(trained),
            "",
            "## Scores",
            "",
            *_scores(trained, complain),
            "",
            "## Made by",
            "",
            "```",
            command,
            "```",
            "",
        ]
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _head(form: str, license_id: str) -> list[str]:
    library = {"diffusers": "diffusers", "onnx": "onnx", "web": "onnx"}.get(form, "ddpm-tui")
    tags = ["diffusion", "ddpm", "unconditional-image-generation"]
    return [
        "---",
        f"license: {license_id}",
        f"library_name: {library}",
        "pipeline_tag: unconditional-image-generation",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "---",
        "",
    ]


def _data(home: Home, trained: Trained) -> list[str]:
    data = trained.profile.data
    lines = [f"- data set `{data.dataset}`, {data.size}×{data.size} pixels, crop `{data.recipe}`"]
    if data.flip:
        lines.append("- pictures were mirrored at random")
    try:
        manifest = load_manifest(trained.pictures(home))
    except DdpmError:
        return lines
    counts = f"- {plural(manifest.train, 'picture')} to train on, {manifest.held_out:,} held out"
    return [*lines, counts + (f", {manifest.test:,} left for tests" if manifest.test else "")]


def _training(trained: Trained) -> list[str]:
    profile = trained.profile
    model, optim, training, diffusion = profile.model, profile.optim, profile.training, profile.diffusion
    levels = "-".join(str(model.width * multiplier) for multiplier in model.multipliers)
    lines = [
        f"- UNet of {model.block} blocks, {levels} channels",
        f"- {diffusion.steps} diffusion steps, {diffusion.schedule} schedule, predicts {profile.objective.prediction}, "
        f"{profile.objective.loss} loss",
        f"- {round(trained.epochs, 2):g} epochs ({trained.step:,} steps of {training.batch_size} pictures), "
        f"{optim.optimizer}, learning rate {optim.lr:g}, {optim.schedule}",
        f"- seed {training.seed}; average of the weights with a half-life of {training.ema_halflife:,} pictures",
    ]
    if isinstance(trained.of, CheckpointInfo):
        manifest = trained.of.whole()
        if manifest.eps_error is not None:
            lines.append(f"- error of the predicted noise on held-out pictures: {manifest.eps_error:.4g}")
    return lines


def _scores(trained: Trained, complain: Callable[[str], None]) -> list[str]:
    scores = scores_at(trained.place, trained.step, complain)
    return [f"- {name}: {score.line()}" for name, score in sorted(scores.items())] or ["None was measured."]
