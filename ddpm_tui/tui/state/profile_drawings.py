"""Drawings of a profile: its noise schedule and its learning rate as curves, and some of its pictures. No torch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.draw.series import Reals
from ddpm_tui.words import learning_rate
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.config.profile import Profile
from engine.data.catalog import packed_folder, packed_folders
from engine.data.faces import attributes, draw_face
from engine.data.manifest import load_manifest
from engine.data.packed import open_packed
from engine.diffusion.tables import betas, log_alpha_bars
from engine.runs.rate_plan import RatePlan
from engine.runs.timeline import Origin, Timeline

POINTS = 240
ASSUMED = 200
"""Steps per epoch if the pictures are not packed yet; the shape of the curve is the same."""


@dataclass(frozen=True, eq=False)
class Drawings:
    """signal: √ᾱ_t for t = 0 … T−1 · rate: the learning rate from first to last epoch · faces: uint8 (H, W, 3) each."""

    signal: Reals
    signal_title: str
    rate: Reals
    rate_title: str
    faces: list[NDArray[np.uint8]]


def drawings(home: Home, profile: Profile, faces: int = 12) -> Drawings:
    d = profile.diffusion
    table = betas(d.schedule, d.steps, d.beta_scaling, d.beta_start, d.beta_end, d.zero_terminal_snr)
    signal = np.exp(0.5 * np.array([max(a, -700.0) for a in log_alpha_bars(table)]))
    optim, epochs = profile.optim, profile.training.epochs
    timeline = Timeline(Origin(), _steps_per_epoch(home, profile), profile.training.batch_size)
    plan = RatePlan.new(profile, epochs)
    last = max(1, epochs * timeline.steps_per_epoch - 1)
    rate = np.array([plan.rate(round(step), timeline) for step in np.linspace(0, last, POINTS)])
    ends = f"{learning_rate(optim.lr)} … {learning_rate(float(rate[-1]))}"
    return Drawings(
        signal,
        f"signal left, {d.schedule}: 1 … {_short(signal[-1])} in {d.steps} steps",
        rate,
        f"learning rate {optim.schedule}: {ends} in {epochs} epochs",
        _faces(home, profile, faces),
    )


def _short(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "0"


def _steps_per_epoch(home: Home, profile: Profile) -> int:
    data = profile.data
    try:
        pictures = load_manifest(packed_folder(home, data.dataset, data.size, data.recipe, data.limit)).train
    except DdpmError:
        return ASSUMED
    return max(1, pictures // profile.training.batch_size)


def _faces(home: Home, profile: Profile, count: int) -> list[NDArray[np.uint8]]:
    """Return some of the pictures that it trains on, in another packed form if its own is missing; [] if there is
    none."""
    data = profile.data
    if data.dataset == "faces":
        return [draw_face(attributes(0, index), data.size) for index in range(count)]
    try:
        exact = packed_folder(home, data.dataset, data.size, data.recipe, data.limit)
        others = [folder for folder, manifest in packed_folders(home, data.dataset) if manifest is not None]
        packed = open_packed(exact if exact.manifest.exists() else others[-1])
    except (DdpmError, OSError, ValueError, IndexError):
        return []
    which = np.unique(np.linspace(0, len(packed.pictures) - 1, count).astype(int))
    return [np.ascontiguousarray(np.moveaxis(packed.pictures[i], 0, -1)) for i in which]
