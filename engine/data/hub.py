"""Data sets of the Hugging Face hub, downloaded by the hub's own client."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from engine.base.errors import UsageError, UserError
from engine.base.home import Home
from engine.data.dataset_names import plain_name
from engine.data.imports import PARQUET, TARS
from engine.data.scan import ENDINGS

HUB: Final = "hf:"


def download(home: Home, text: str, say: Callable[[str], None]) -> Path:
    """Return the folder of a data set, "hf:NAME" or "hf:USER/NAME", downloaded unless it is there already.

    Interrupted downloads continue. Raises UsageError for a text without a name, UserError in one line if the client is
    not installed or the data set cannot be had.
    """
    name = text.removeprefix(HUB)
    if not name or name.count("/") > 1:
        raise UsageError(f"{text} names no data set", "hf:NAME or hf:USER/NAME")
    if find_spec("huggingface_hub") is None:
        raise UserError(
            f"{text} needs huggingface_hub, which is not installed", "pip install 'ddpm-tui[hub]'"
        )
    from huggingface_hub import snapshot_download

    folder = home.source(plain_name(name.rpartition("/")[2])).download / "hub"
    say(f"downloading {text} into {folder}")
    patterns = [f"*{ending}" for ending in (PARQUET, *TARS, ".zip", *sorted(ENDINGS))]
    try:
        snapshot_download(name, repo_type="dataset", local_dir=folder, allow_patterns=patterns)
    except Exception as error:  # the client raises those of its HTTP library, OSError and its own
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UserError(
            f"{text} cannot be downloaded: {(lines or [type(error).__name__])[0].rstrip('.')}",
            "the hub has to be reached for it; else download its files elsewhere and add their folder",
        ) from None
    return folder
