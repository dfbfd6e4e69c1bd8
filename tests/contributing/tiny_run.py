"""What the checks of this folder share: a few pictures, a network that was never trained, the completion of a shell."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.base.home import Home
from engine.config.sampling_settings import Settings
from engine.config.store import build_profile
from engine.data.catalog import add_source
from tests.tiny import TINY


def pictures(home: Home) -> None:
    """The data set `dots`, 61 pictures of 16 px."""
    folder = Path(tempfile.mkdtemp())
    draw = np.random.default_rng(0)
    for index in range(61):
        picture = draw.integers(0, 255, (2, 2, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(picture).save(folder / f"{index:03d}.png")
    add_source(home, folder, "dots")


def dots() -> Any:
    """`dots`, packed."""
    from engine.data.packed import open_packed
    from engine.data.packing import pack

    home = Home(Path(os.environ["DDPM_HOME"])).create()
    pictures(home)
    return open_packed(pack(home, "dots", 16, "whole", processes=1))


def loaded(**sections: dict[str, Any]) -> Any:
    """A network of the tiny profile, with some sections changed, as it is born."""
    import torch

    from engine.device.plan import decide, gather
    from engine.models.build import make_schedule, unet_config
    from engine.models.unet import UNet
    from engine.sampling.load import Loaded

    data = {**TINY, **{key: {**TINY.get(key, {}), **value} for key, value in sections.items()}}
    profile = build_profile(data, "tiny")
    torch.manual_seed(0)
    model = UNet(unet_config(profile)).eval().requires_grad_(False)
    plan = decide(gather("cpu"), profile)
    return Loaded(model, make_schedule(profile), profile, plan, torch.device("cpu"))


def settings(network: Any, **changes: object) -> Settings:
    return Settings.from_profile(network.profile, **changes)


def drawn(network: Any, **changes: object) -> Any:
    """Two pictures, uint8 (2, 16, 16, 3)."""
    from engine.sampling.drawing import draw

    (batch,) = draw(
        network.model, network.schedule, network.profile, network.plan, settings(network, **changes), 2, 2
    )
    return batch.pictures


def completed(*words: str) -> list[str]:
    """What a shell offers in place of the last word."""
    from click.shell_completion import ShellComplete

    from ddpm_tui.cli.main import cli

    found = ShellComplete(cli, {}, "ddpm-tui", "_C").get_completions(list(words[:-1]), words[-1])
    return [item.value for item in found]
