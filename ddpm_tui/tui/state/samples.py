"""Sample sets and previews of all runs, and sample sets of exported checkpoints, as the gallery lists them. Imports
NumPy: after the first paint only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddpm_tui.tui.state.reading import stamp
from engine.base.errors import DamagedError
from engine.base.folders import RunFolder, SampleFolder
from engine.base.home import Home
from engine.base.records import open_data
from engine.diffusion.samplers import SAMPLERS
from engine.runs.sample_record import read_sample


@dataclass(frozen=True)
class GalleryEntry:
    """One line of the gallery: a sample set, or (sample "") a run's previews over its epochs.

    run: "" if the set was drawn from an exported checkpoint · path: the set's folder, None for previews ·
    facts: sample.json as it is · spacing: of the timesteps, if it is not the sampler's default ·
    problem: why the set cannot be shown · previews: (step, file), oldest first.
    """

    run: str
    sample: str = ""
    path: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    spacing: str = ""
    problem: str = ""
    previews: tuple[tuple[int, Path], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.run}/{self.sample}"

    @property
    def called(self) -> str:
        """Return the name for people: a path below the home if it is no run's."""
        return self.key if self.run else f"samples/{self.sample}"

    @property
    def step(self) -> int | None:
        step = self.facts.get("checkpoint")
        return step if isinstance(step, int) else None

    @property
    def reference(self) -> str:
        """Return its source: RUN@STEP or the exported folder; "" if that is not known."""
        if self.run:
            return self.run if self.step is None else f"{self.run}@{self.step}"
        return str(self.facts.get("export") or "")


@dataclass(frozen=True, eq=False)
class Pictures:
    """pictures: uint8 (N, H, W, 3) · trajectory: uint8 (frames, n, H, W, 3), frame 0 is noise; None if it was not
    kept · predicted: the network's prediction of the finished picture at each frame; None if it was not kept."""

    pictures: NDArray[np.uint8]
    trajectory: NDArray[np.uint8] | None
    predicted: NDArray[np.uint8] | None = None

    def frames(self, index: int, predicted: bool = False) -> list[NDArray[np.uint8]]:
        """Return the denoising of one picture, or the picture alone if it was not kept.

        predicted: the network's predictions of the finished picture, instead of the noisy ones.
        """
        kept = self.predicted if predicted and self.predicted is not None else self.trajectory
        if kept is not None and index < kept.shape[1]:
            return [np.ascontiguousarray(frame[index]) for frame in kept]
        return [np.ascontiguousarray(self.pictures[index])]


class GalleryReader:
    """Lists sample sets and previews; a run's folders are read again only when their stamps change."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[str, tuple[tuple[int, ...], tuple[GalleryEntry, ...]]] = {}
        self._all: tuple[GalleryEntry, ...] = ()

    def read(self, runs: Sequence[str]) -> tuple[GalleryEntry, ...]:
        """Return the entries of these runs, newest run first, each one's newest set first; then of exported
        checkpoints.

        The same object if nothing changed."""
        known, self._known = self._known, {}
        for name in ("", *runs):
            folders = self._folders(name)
            now = stamp(*folders)
            before = known.get(name)
            self._known[name] = before if before and before[0] == now else (now, _entries(name, *folders))
        found = tuple(entry for name in (*reversed(runs), "") for entry in self._known[name][1])
        if [id(e) for e in found] != [id(e) for e in self._all]:
            self._all = found
        return self._all

    def _folders(self, run: str) -> tuple[Path, ...]:
        """Return the folders of a run's samples and previews; of exported checkpoints' samples for ""."""
        folder = RunFolder(self.home.runs / run)
        return (folder.samples, folder.previews) if run else (self.home.samples,)


def _entries(run: str, samples: Path, previews: Path | None = None) -> tuple[GalleryEntry, ...]:
    found: list[GalleryEntry] = []
    for path in sorted(_inside(samples), reverse=True):
        if not path.is_dir() or path.name.startswith("."):
            continue
        folder = SampleFolder(path)
        try:
            facts = read_sample(folder)
        except DamagedError as error:
            problem = f"{folder.record.name} cannot be read ({error.reason})"
            found.append(GalleryEntry(run, path.name, path, problem=problem))
            continue
        problem = "" if folder.pictures.is_file() else f"{folder.pictures.name} is missing"
        found.append(GalleryEntry(run, path.name, path, facts, _own_spacing(facts), problem))
    inside = _inside(previews) if previews else ()
    sheets = sorted((int(p.stem), p) for p in inside if p.suffix == ".png" and p.stem.isdecimal())
    if sheets:
        found.append(GalleryEntry(run, previews=tuple(sheets)))
    return tuple(found)


def _own_spacing(facts: Mapping[str, Any]) -> str:
    spacing = str(facts.get("spacing") or "")
    sampler = SAMPLERS.get(str(facts.get("sampler")))
    return "" if sampler is not None and spacing == sampler.spacing else spacing


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def load_pictures(folder: SampleFolder) -> Pictures:
    """Open a set without reading the pictures. Raises DamagedError naming the file."""
    pictures = _open(folder.pictures, 4)
    trajectory = None
    if folder.trajectory.exists():
        trajectory = _open(folder.trajectory, 5)
        if trajectory.shape[2:] != pictures.shape[1:]:
            raise DamagedError(f"{folder.trajectory} does not belong to {folder.pictures.name}")
    predicted = None
    if trajectory is not None and folder.predicted.exists():
        predicted = _open(folder.predicted, 5)
        if predicted.shape != trajectory.shape:
            raise DamagedError(f"{folder.predicted} does not belong to {folder.trajectory.name}")
    return Pictures(pictures, trajectory, predicted)


def _open(path: Path, dimensions: int) -> NDArray[np.uint8]:
    try:
        open_data(path).close()  # NumPy would wait for a pipe's writer
        found: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedError(f"{path} cannot be read ({error})") from None
    if found.dtype != np.uint8 or found.ndim != dimensions or found.shape[-1] != 3 or not found.size:
        raise DamagedError(f"{path} does not hold pictures ({found.dtype}, {found.shape})")
    return found
