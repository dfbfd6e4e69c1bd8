"""Figures of samples, denoising, and several runs side by side, from the files of runs."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from engine.base.errors import DamagedError, UserError
from engine.base.folders import RunFolder, SampleFolder
from engine.base.records import open_data
from engine.base.text import shell_word
from engine.figures.sheet import MARGIN, Picture, labelled_sheet
from engine.figures.stages import preview_paths, read_preview
from engine.runs.sample_record import read_sample


@dataclass(frozen=True)
class StoredSamples:
    """A stored set of samples with its record."""

    folder: SampleFolder
    record: dict[str, Any]

    @property
    def words(self) -> str:
        r = self.record
        return (
            f"{r.get('run')} at epoch {r.get('epoch', 0):g} (step {r.get('checkpoint')}), {r.get('sampler')} "
            f"{r.get('steps')} steps, {self._asked()}{r.get('weights')} weights, seed {r.get('seed')}"
        )

    def _asked(self) -> str:
        """What was asked for and how it was guided."""
        return "".join(f"{text}, " for text in self.record.get("labels") or () if text) + self._guided()

    def _guided(self) -> str:
        weight = self.record.get("guidance", 1.0)
        by = f" by {self.record['guide']}" if self.record.get("guide") else ""
        return "" if weight == 1.0 else f"guided{by} at {weight:g}, "

    def count(self, frames: bool = False) -> int:
        """Return the number of its pictures, or of those whose denoising is stored. Raises UserError if they cannot
        be read.
        """
        shape = _load(self.folder.trajectory if frames else self.folder.pictures, "r").shape
        return int(shape[1 if frames else 0])


def read_set(path: Path) -> StoredSamples:
    """Read the set in a folder below samples/. Raises DamagedError."""
    folder = SampleFolder(path)
    return StoredSamples(folder, read_sample(folder))


def sample_sets(samples: Path) -> list[StoredSamples]:
    """Return the readable sets of a samples/ folder, oldest first."""
    found = []
    for path in sorted(samples.glob("[0-9]*")) if samples.is_dir() else []:
        with contextlib.suppress(DamagedError):
            found.append(read_set(path))
    return found


def choose_set(
    sets: Sequence[StoredSamples],
    of: str,
    wanted: str | None,
    *,
    step: int | None = None,
    frames: bool = False,
) -> StoredSamples | None:
    """Return the newest of `sets`, or the one with an id; optionally only sets of one checkpoint, or with a stored
    denoising. None if there is no such set yet.

    of: the run or the exported folder of the sets, which are ordered from the oldest. Raises UserError if the set
    with the id cannot be shown.
    """
    if wanted is not None:
        names = [s.folder.path.name.lstrip("0") for s in sets]
        sets = [s for s, name in zip(sets, names, strict=True) if name == wanted.lstrip("0")]
        if not sets:
            there = (
                f"there are: {', '.join(names)}" if names else f"draw one: ddpm-tui sample {shell_word(of)}"
            )
            raise UserError(f"{of} has no sample set {wanted!r}", there)
    sets = [s for s in sets if step is None or s.record.get("checkpoint") == step]
    if wanted is not None and not sets:
        raise UserError(f"sample set {wanted!r} is not of {of}@{step}", f"`{of}` alone means any of its sets")
    if frames:
        sets = [s for s in sets if s.folder.trajectory.exists()]
        if wanted is not None and not sets:
            raise UserError(
                f"sample set {wanted!r} has no stored denoising",
                "omit --set to draw samples with one",
            )
    return sets[-1] if sets else None


def samples(chosen: StoredSamples, *, pictures: int, columns: int, scale: int, caption: bool) -> Image.Image:
    """Draw the first `pictures` of a set in rows of `columns`."""
    drawn = _load(chosen.folder.pictures)[:pictures]
    rows: list[list[Picture | None]] = [list(drawn[i : i + columns]) for i in range(0, len(drawn), columns)]
    return labelled_sheet(rows, scale=scale, caption=chosen.words if caption else "", margin=MARGIN)


def denoising(
    chosen: StoredSamples, *, pictures: int, columns: int, scale: int, caption: bool
) -> Image.Image:
    """Draw samples as rows, from noise at the left to the face at the right, with `columns` evenly chosen frames."""
    frames = _load(chosen.folder.trajectory)
    at = np.unique(np.linspace(0, len(frames) - 1, min(columns, len(frames))).round().astype(int))
    rows: list[list[Picture | None]] = [
        [frames[frame, picture] for frame in at] for picture in range(min(pictures, frames.shape[1]))
    ]
    steps = int(chosen.record.get("steps", len(frames) - 1))
    left = [f"{round(steps * (1 - frame / (len(frames) - 1)))}" for frame in at]
    left[0] = f"{left[0]} steps"
    return labelled_sheet(rows, (), left, scale=scale, caption=chosen.words if caption else "", margin=MARGIN)


def compared(
    runs: Sequence[RunFolder], *, epochs: Sequence[int] | None, columns: int, pictures: int, scale: int
) -> Image.Image:
    """Draw runs as rows and epochs as columns, with the same seeds, from the previews that all runs have.

    Raises UserError if they share no epoch, or if a requested epoch is missing.
    """
    shown = []
    for run in runs:
        by_epoch = {preview.epoch: preview for preview in map(read_preview, preview_paths(run))}
        if not by_epoch:
            raise UserError(
                f"run {run.name!r} has no previews", "set training.preview_every = 1 for one per epoch"
            )
        shown.append(by_epoch)
    shared = sorted(set.intersection(*(set(by_epoch) for by_epoch in shown)), key=float)
    if not shared:
        raise UserError(f"{' and '.join(run.name for run in runs)} have no epoch with previews in common")
    if epochs is None:
        at = np.unique(np.linspace(0, len(shared) - 1, min(columns, len(shared))).round().astype(int))
        chosen = [shared[i] for i in at]
    else:
        chosen = [str(epoch) for epoch in epochs]
        absent = next((epoch for epoch in chosen if epoch not in shared), None)
        if absent is not None:
            raise UserError(
                f"epoch {absent} has no preview in every run", f"there are {', '.join(shared[:12])}"
            )
    rows: list[list[Picture | None]] = []
    for by_epoch in shown:
        row: list[Picture | None] = []
        for epoch in chosen:
            some = list(by_epoch[epoch].pictures[:pictures])
            row += [*some, *[None] * (pictures - len(some))]
        rows.append(row)
    names = [run.name for run in runs]
    return labelled_sheet(
        rows, names, [f"epoch {e}" for e in chosen], scale=scale, group=pictures, margin=MARGIN
    )


def _load(path: Any, mapped: Literal["r"] | None = None) -> np.ndarray:
    try:
        open_data(path).close()  # NumPy would wait for the writer of a pipe
        found: np.ndarray = np.load(path, mmap_mode=mapped)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} cannot be read ({error})", "draw the samples again") from None
    return found
