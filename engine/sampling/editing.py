"""What `ddpm-tui edit` does with a loaded network: sweeps, morphs, holes filled and variations, as uint8 pictures."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from engine.base.errors import UsageError, UserError
from engine.base.picture_files import open_picture
from engine.base.records import read_bytes
from engine.config.asked import asked_text, asked_values, find_label
from engine.config.sampling_settings import Settings
from engine.config.sections import LabelsSection
from engine.data.decode import MAX_BYTES, BrokenPictureError, decode
from engine.diffusion.editing import FIXED_POINTS, inpaint, invert, slerp
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import Denoiser, sample, to_uint8
from engine.diffusion.spacing import timesteps
from engine.sampling.denoiser import asked_input, denoiser_for
from engine.sampling.drawing import NotFiniteError, draw
from engine.sampling.load import Loaded

Report = Callable[[int, int], None]
"""Hears of (network calls done, in all), and may raise to stop."""

MORPH_SAMPLER = "ddim"
"""Between pictures: what inversion is the reverse of."""


@dataclass(frozen=True)
class Edited:
    """pictures: uint8 (n, H, W, C) · columns: of their grid · frames: which pictures are seen at once when it moves."""

    pictures: NDArray[np.uint8]
    columns: int
    frames: list[NDArray[np.int64]]


def sweep_labels(section: LabelsSection, asked: str, name: str, positions: int) -> tuple[str, ...]:
    """`asked` with one attribute from −1 to 1 in so many positions. Raises UsageError for a run without attributes."""
    if section.kind != "attributes":
        has = "classes" if section.kind == "class" else "no labels"
        raise UsageError(
            f"a sweep needs a run that has learned attributes, and this one has {has}", "see docs/labels.md"
        )
    moved = find_label(name, section.names)
    base = asked_values(asked, section.kind, section.names) if asked else {}
    found = []
    for value in np.linspace(-1, 1, positions):
        values = {**base, moved: float(round(value, 6))}
        found.append(asked_text({n: values[n] for n in section.names if values.get(n)}, section.kind))
    return tuple(found)


def sweep(loaded: Loaded, settings: Settings, count: int, batch: int, report: Report) -> Edited:
    """`count` seeds down, and across what each of the settings' labels makes of them."""
    positions = len(settings.labels)
    drawn = draw(
        loaded.model, loaded.schedule, loaded.profile, loaded.plan, settings, count * positions, batch,
        guide=loaded.guide, on_step=report,
    )  # fmt: skip
    pictures = np.concatenate([one.pictures for one in drawn])
    by_seed = pictures.reshape(positions, count, *pictures.shape[1:]).swapaxes(0, 1).reshape(pictures.shape)
    order = np.arange(len(pictures)).reshape(count, positions)
    return Edited(by_seed, positions, _there_and_back([order[:, at] for at in range(positions)]))


def morph_seeds(
    loaded: Loaded, settings: Settings, seeds: tuple[int, int], positions: int, report: Report
) -> Edited:
    """From the first picture of one seed to that of another, along the sphere of their noise."""
    ends = [PictureNoise(seed, [0], _shape(loaded), loaded.device).initial() for seed in seeds]
    x = slerp(ends[0], ends[1], torch.linspace(0, 1, positions))
    if settings.sampler == "ddpm" or (settings.sampler == "ddim" and settings.eta):
        raise UsageError("a morph needs a sampler without noise of its own", "use --sampler dpmpp, or ddim")
    return _morphed(loaded, settings, x, positions, 0, positions * settings.steps, report)


def morph_pictures(
    loaded: Loaded, settings: Settings, pictures: tuple[Tensor, Tensor], positions: int, report: Report
) -> Edited:
    """From one picture to another: the noise that draws each is found, and what lies between is drawn."""
    settings = dataclasses.replace(settings, sampler=MORPH_SAMPLER, eta=0.0, clip=False)
    total = 2 * FIXED_POINTS * settings.steps + positions * settings.steps
    x_0 = torch.cat(pictures).to(loaded.device)
    # Not guided on the way to the noise: what guidance leads away from would be in it.
    plain = dataclasses.replace(settings, guidance=1.0)
    found = invert(
        _denoiser(loaded, plain, 2), loaded.schedule, loaded.profile.objective.prediction, x_0,
        _chosen(loaded, settings), lambda calls: report(2 * calls, total),
    )  # fmt: skip
    x = slerp(found[:1], found[1:], torch.linspace(0, 1, positions))
    return _morphed(loaded, settings, x, positions, 2 * FIXED_POINTS * settings.steps, total, report)


def _morphed(
    loaded: Loaded, settings: Settings, x: Tensor, positions: int, before: int, total: int, report: Report
) -> Edited:
    pictures = _sampled(loaded, settings, x, lambda step: report(before + positions * step, total))
    return Edited(pictures, positions, _there_and_back([np.array([at]) for at in range(positions)]))


def vary(
    loaded: Loaded, settings: Settings, picture: Tensor, strength: float, count: int, report: Report
) -> Edited:
    """A picture noised to `strength` of the way to noise and drawn from there, `count` times (Meng et al. 2022)."""
    chosen = _chosen(loaded, settings)
    begin = len(chosen) - max(1, round(strength * len(chosen)))
    bar = loaded.schedule.log_alpha_bars[chosen[begin]]
    noise = PictureNoise(settings.seed, range(count), _shape(loaded), loaded.device)
    alpha, sigma = float(np.exp(bar / 2)), float(np.sqrt(-np.expm1(bar)))
    x = alpha * picture.to(loaded.device) + sigma * noise.initial()
    left = len(chosen) - begin
    pictures = _sampled(
        loaded,
        settings,
        x,
        lambda step: report(count * (step - begin), count * left),
        begin=begin,
        noise=noise,
    )
    return Edited(pictures, min(count, 8), [np.array([at]) for at in range(count)])


def fill(
    loaded: Loaded,
    settings: Settings,
    picture: Tensor,
    mask: NDArray[np.bool_],
    repeats: int,
    count: int,
    report: Report,
) -> Edited:
    """A picture with what the mask (H, W) covers drawn anew, `count` times; outside every byte stays as it is."""
    noise = PictureNoise(settings.seed, range(count), _shape(loaded), loaded.device)
    hole = torch.from_numpy(mask.astype(np.float32))[None, None].to(loaded.device)
    known = picture.to(loaded.device).expand(count, -1, -1, -1)
    calls = (settings.steps - 1) * repeats + 1
    x = inpaint(
        _denoiser(loaded, settings, count), loaded.schedule, loaded.profile.objective.prediction, known, hole,
        _chosen(loaded, settings), noise, repeats, settings.clip, lambda done: report(count * done, count * calls),
    )  # fmt: skip
    _check_finite(x)
    pictures = to_uint8(x).cpu().numpy()
    kept = to_uint8(picture).cpu().numpy()
    pictures = np.where(mask[None, :, :, None], pictures, kept)
    return Edited(pictures, min(count, 8), [np.array([at]) for at in range(count)])


def _sampled(
    loaded: Loaded,
    settings: Settings,
    x: Tensor,
    visit: Callable[[int], object],
    begin: int = 0,
    noise: PictureNoise | None = None,
) -> NDArray[np.uint8]:
    def step_done(index: int, x_t: Tensor, x_0: Tensor) -> None:
        visit(index + 1)

    found = sample(
        _denoiser(loaded, settings, len(x)), loaded.schedule, loaded.profile.objective.prediction, x,
        sampler=settings.sampler, steps=settings.steps, spacing=settings.spacing, eta=settings.eta,
        clip=settings.clip, variance=settings.variance, begin=begin,
        noise=noise or PictureNoise(settings.seed, range(len(x)), _shape(loaded), loaded.device),
        on_step=step_done,
    )  # fmt: skip
    _check_finite(found)
    pictures: NDArray[np.uint8] = to_uint8(found).cpu().numpy()
    return pictures


def _denoiser(loaded: Loaded, settings: Settings, count: int) -> Denoiser:
    y = asked_input(settings.labels[:1], loaded.profile.labels, loaded.device)
    told = None if y is None else y.expand(count, *y.shape[1:])
    return denoiser_for(loaded.model, loaded.guide, loaded.schedule, loaded.plan, settings, told)


def _chosen(loaded: Loaded, settings: Settings) -> list[int]:
    schedule = loaded.schedule
    return list(timesteps(schedule.steps, settings.steps, settings.spacing, schedule.log_alpha_bars))


def _shape(loaded: Loaded) -> tuple[int, int, int]:
    size = loaded.profile.data.size
    return (3, size, size)


def _check_finite(x: Tensor) -> None:
    if not bool(torch.isfinite(x).all()):
        raise NotFiniteError("the network gives no finite numbers")


def _there_and_back(frames: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    return frames + frames[-2:0:-1]


# What a person hands in.


def read_picture(path: Path, recipe: str, size: int) -> Tensor:
    """A picture of any size and form as the network sees it, cut and scaled: (1, 3, size, size) in [−1, 1].

    Raises UserError for what is no picture.
    """
    try:
        content = read_bytes(path, MAX_BYTES)
        pixels = np.ascontiguousarray(decode(content, recipe, size).pixels)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file", "name a picture") from None
    except (OSError, ValueError, BrokenPictureError) as error:
        raise UserError(f"{path} cannot be used: {error}", "give a JPEG, PNG or another picture") from None
    return torch.from_numpy(pixels).float().div(127.5).sub(1)[None]


def read_mask(path: Path, size: int) -> NDArray[np.bool_]:
    """(size, size): what is to be drawn anew, white in the file or transparent in it. Raises UserError for a mask that
    is not square, as the picture is, or covers nothing or all."""
    try:
        with open_picture(path) as image:
            grey = image.convert("RGBA")
    except OSError as error:
        raise UserError(
            f"the mask {path} cannot be used: {error}", "give a PNG, white where to draw"
        ) from None
    if grey.width != grey.height:
        raise UserError(
            f"the mask {path} has {grey.width}×{grey.height} pixels, and the picture is cut to a square",
            "give a square mask of the cut picture",
        )
    pixels = np.asarray(grey.resize((size, size), Image.Resampling.NEAREST)).astype(int)
    covered = (pixels[..., :3].mean(axis=-1) >= 128) | (pixels[..., 3] < 128)
    return checked_mask(covered, str(path))


def box_mask(box: tuple[int, int, int, int], size: int) -> NDArray[np.bool_]:
    """(size, size): a box of x, y, width, height in pixels of the network's size. Raises UserError if it is not
    within."""
    x, y, width, height = box
    if x < 0 or y < 0 or width < 1 or height < 1 or x + width > size or y + height > size:
        raise UserError(
            f"--box {x},{y},{width},{height} is not within the {size}×{size} picture",
            "X,Y,WIDTH,HEIGHT in its pixels",
        )
    covered = np.zeros((size, size), bool)
    covered[y : y + height, x : x + width] = True
    return checked_mask(covered, f"--box {x},{y},{width},{height}")


def checked_mask(covered: NDArray[np.bool_], what: str) -> NDArray[np.bool_]:
    if not covered.any() or covered.all():
        part = "nothing" if not covered.any() else "all of the picture"
        raise UserError(f"the mask {what} covers {part}", "white is what is drawn anew, black stays")
    return covered


def gif_frames(edited: Edited) -> list[NDArray[np.uint8]]:
    """The pictures of each moment side by side, enlarged: uint8 (H, W, C)."""
    from engine.sampling.sheets import gif_scale, grid

    scale = gif_scale(edited.pictures.shape[1])
    return [grid(edited.pictures[rows], scale=scale) for rows in edited.frames]
