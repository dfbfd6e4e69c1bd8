"""The formats that checkpoints are exported to: one table, read by the command line and by the worker. Never imports
torch."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.base.errors import UserError, misused, unknown
from engine.base.files import unwritable


@dataclass(frozen=True)
class Format:
    """One line. words: its description for people · packages: those that writing and checking it needs, by import
    name · extra: the one that installs them."""

    words: str
    packages: tuple[str, ...] = ()
    extra: str = ""


FORMATS: dict[str, Format] = {
    "folder": Format("weights, profile and record; this program draws from it"),
    "safetensors": Format("the weights alone, with the architecture in the file's metadata"),
    "diffusers": Format("a pipeline for DiffusionPipeline.from_pretrained", ("diffusers",), "diffusers"),
    "onnx": Format(
        "the network for ONNX Runtime, and a NumPy script", ("onnx", "onnxscript", "onnxruntime"), "onnx"
    ),
    "web": Format("a page that draws in the browser", ("onnx", "onnxscript", "onnxruntime"), "onnx"),
}


def check_packages(formats: Iterable[str]) -> None:
    """Raise UserError naming the first format that lacks a package, and the extra that installs it."""
    for name in formats:
        for package in FORMATS[name].packages:
            if find_spec(package) is None:
                raise UserError(
                    f"--format {name} needs {package}, which is not installed",
                    f"pip install 'ddpm-tui[{FORMATS[name].extra}]'",
                )


def check_formats(names: Iterable[str]) -> list[str]:
    """Return the named formats, each once, also from names with commas between; the folder if none is named. Raises
    UserError for an unknown one."""
    found = [part.strip() for name in names for part in name.split(",") if part.strip()] or ["folder"]
    for name in found:
        if name not in FORMATS:
            raise misused(unknown("format", name, FORMATS))
    return list(dict.fromkeys(found))


def check_target(target: Path) -> None:
    """Raise UserError unless `target` can become a folder of an export: it is not there, or empty."""
    try:
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty", "name a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".ddpm-tui-"):
            pass
    except OSError as error:
        raise unwritable(target, error, "name another folder") from None
