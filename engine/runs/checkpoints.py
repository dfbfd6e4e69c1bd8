"""Checkpoints as folders: listing, verifying, references (RUN@STEP, @TAG, @best), tags, pruning, publishing.

Reads manifests only; the training package reads the weights. Never imports torch.
"""

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from engine.base.errors import DamagedError, DdpmError, UsageError, UserError, unknown
from engine.base.failpoints import reach
from engine.base.files import FileLock, disk_errors, fsync_folder, write_json
from engine.base.folders import CheckpointFolder, RunFolder, is_number
from engine.base.home import Home, check_name
from engine.base.records import MissingError, read_json
from engine.base.scarcity import ScarceError, shortage, unless_scarce
from engine.base.seals import write_sealed
from engine.base.typed import Count, typed
from engine.runs.manifest import Manifest as Manifest
from engine.runs.manifest import is_sealed as is_sealed
from engine.runs.manifest import origin_of as origin_of
from engine.runs.manifest import read_manifest as read_manifest
from engine.runs.record import find_run

STANDING_TAGS = ("latest", "best")


@dataclass(frozen=True)
class CheckpointInfo:
    """One folder below checkpoints/: its manifest, or the problem with it."""

    folder: CheckpointFolder
    manifest: Manifest | None
    problem: str | None = None
    tags: tuple[str, ...] = ()
    best: bool = False
    passed_over: str = ""
    """A sentence about newer checkpoints that are damaged, if this one was found as the newest."""

    @property
    def step(self) -> int:
        return self.folder.step

    @property
    def size(self) -> int:
        """Return the bytes of its files according to the manifest; 0 if it is damaged."""
        return sum(entry["size"] for entry in self.manifest.files.values()) if self.manifest else 0

    def whole(self) -> Manifest:
        """Return the manifest, or raise DamagedError."""
        if self.manifest is None:
            raise DamagedError(self.problem or f"checkpoint {self.folder.path} is damaged")
        return self.manifest


def checkpoint_folders(run: RunFolder) -> list[CheckpointFolder]:
    """Return all published checkpoint folders, oldest step first, without reading them. Raises ScarceError."""
    names: list[str] = []
    with unless_scarce():
        names = [name for name in os.listdir(run.checkpoints) if is_number(name)]
    return [CheckpointFolder(run.checkpoints / name) for name in sorted(names, key=int)]


def next_size(run: RunFolder) -> int:
    """Return the expected bytes of one more checkpoint: those of the newest with a readable manifest; 0 if there is
    none yet.
    """
    for folder in reversed(checkpoint_folders(run)):
        with contextlib.suppress(DdpmError):
            manifest = read_manifest(folder)
            return CheckpointInfo(folder, manifest).size
    return 0


def list_checkpoints(run: RunFolder) -> list[CheckpointInfo]:
    """Return every checkpoint by step, from manifests and file sizes; hashes are left to `verify`.

    Raises ScarceError, which does not blame any checkpoint.
    """
    tags: dict[int, list[str]] = {}
    for tag, step in read_tags(run).items():
        tags.setdefault(step, []).append(tag)
    found = []
    for folder in checkpoint_folders(run):
        manifest, problem = None, None
        try:
            manifest = read_manifest(folder)
            problem = _size_problem(folder, manifest)
        except ScarceError:
            raise
        except DdpmError as error:
            problem = str(error)
        found.append(
            CheckpointInfo(
                folder, None if problem else manifest, problem, tuple(sorted(tags.get(folder.step, [])))
            )
        )
    best = min(
        (c for c in found if c.manifest and c.manifest.eps_error is not None),
        key=lambda c: (c.manifest.eps_error, c.step),  # type: ignore[union-attr]
        default=None,
    )
    return [
        CheckpointInfo(c.folder, c.manifest, c.problem, c.tags, best=True) if c is best else c for c in found
    ]


def _size_problem(folder: CheckpointFolder, manifest: Manifest) -> str | None:
    for name, entry in manifest.files.items():
        try:
            size = (folder.path / name).stat().st_size
        except OSError:
            return f"{folder.path / name} is missing"
        if size != entry["size"]:
            return f"{folder.path / name} is truncated ({size:,} of {entry['size']:,} bytes)"
    return None


def verify(folder: CheckpointFolder) -> str | None:
    """Read every byte and compare with the manifest: return None if it is intact, else the first problem.

    Raises ScarceError.
    """
    try:
        manifest = read_manifest(folder)
    except ScarceError:
        raise
    except DdpmError as error:
        return str(error)
    problem = _size_problem(folder, manifest)
    if problem:
        return problem
    for name, entry in manifest.files.items():
        try:
            with shortage(str(folder.path / name)):
                digest = sha256(folder.path / name)
        except OSError as error:
            return f"{folder.path / name} cannot be read ({error.strerror})"
        if digest != entry["sha256"]:
            return f"{folder.path / name} has been altered (SHA-256 differs)"
    return None


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def newest_whole(
    run: RunFolder, complain: Callable[[str], None] = lambda _: None, before: int | None = None
) -> CheckpointInfo | None:
    """Return the newest intact checkpoint; `complain` is called for each damaged one that is skipped."""
    for info in reversed(list_checkpoints(run)):
        if before is not None and info.step > before:
            continue
        problem = info.problem or verify(info.folder)
        if problem is None:
            return info
        complain(_passed_over(info.step, problem))
    return None


def _passed_over(step: int, problem: str | None) -> str:
    return f"checkpoint {step} is damaged and is skipped: {problem}"


def split_reference(reference: str) -> tuple[str, str]:
    """Split 'RUN@WHICH' into (RUN, WHICH); WHICH defaults to 'latest'."""
    run, at, which = reference.partition("@")
    if not run or (at and not which):
        raise UsageError(
            f"{reference!r} does not name a checkpoint", "RUN, RUN@STEP, RUN@eEPOCH, RUN@TAG or RUN@best"
        )
    return run, which or "latest"


def resolve(home: Home, reference: str) -> tuple[RunFolder, CheckpointInfo]:
    """Return the current run and checkpoint of a reference.

    WHICH is a step, `eN` (the end of epoch N), `latest`, `best` (lowest eps error on held-out pictures) or a tag.
    """
    name, which = split_reference(reference)
    run = find_run(home, name)
    found = list_checkpoints(run)
    if not found:
        raise UserError(f"run {name!r} has no checkpoint yet", f"train it first: ddpm-tui train --run {name}")
    whole = [c for c in found if c.manifest]
    chosen: CheckpointInfo | None = None
    if which == "latest":
        chosen = whole[-1] if whole else found[-1]
        if found[-1] is not chosen:
            chosen = replace(chosen, passed_over=_passed_over(found[-1].step, found[-1].problem))
    elif which == "best":
        chosen = next((c for c in found if c.best), None)
        if chosen is None:
            raise UserError(
                f"run {name!r} has no scored checkpoint", "its epochs were not validated; use @latest"
            )
    elif which.isdecimal():
        chosen = next((c for c in found if is_number(which) and c.step == int(which)), None)
    elif which[:1] == "e" and which[1:].isdecimal():
        ends = {c.whole().epoch: c for c in whole if c.whole().whole_epoch}
        chosen = ends.get(int(which[1:])) if is_number(which[1:]) else None
        if chosen is None:
            # A step of that number would be another time in training: no "did you mean".
            kept = f"kept are those of epochs {', '.join(map(str, ends))}" if ends else "none is kept"
            raise UserError(
                f"no checkpoint of {name!r} named {which!r}, the end of epoch {which[1:]}",
                f"{kept}; see `checkpoints list {name}`",
            )
    else:
        chosen = next((c for c in found if which in c.tags), None)
    if chosen is None:
        known = [*STANDING_TAGS, *(t for c in found for t in c.tags), *(str(c.step) for c in found)]
        raise unknown(f"checkpoint of {name!r}", which, known, f"see `checkpoints list {name}`")
    chosen.whole()
    return run, chosen


# Tags: a small file in the run folder, so they travel with it.


def read_tags(run: RunFolder) -> dict[str, int]:
    """Return tag → step; a missing or damaged file means no tags."""
    try:
        return whole_tags(run)
    except DamagedError:
        return {}


def whole_tags(run: RunFolder) -> dict[str, int]:
    """Return tag → step, for callers that write the file or delete untagged checkpoints. Raises DamagedError."""
    try:
        what = f"the list of tags of run {run.name!r}"
        return typed(_Tags, {"tags": read_json(run.tags, what)}, what, run.tags).tags
    except MissingError:
        return {}
    except DamagedError as error:
        raise DamagedError(error.what, "fix or delete that file") from None


@dataclass(frozen=True)
class _Tags:
    """The contents of tags.json."""

    tags: dict[str, Count]


def set_tag(run: RunFolder, tag: str, step: int | None) -> None:
    """Give `tag` to a checkpoint (moving it if another has it), or remove it with None.

    Raises UserError for an invalid tag; DamagedError to avoid losing the existing tags.
    """
    check_name("tag", tag)
    if tag in STANDING_TAGS or tag.isdecimal() or (tag[0] == "e" and tag[1:].isdecimal()):
        raise UsageError(f"{tag!r} cannot be a tag: it has another meaning", "choose another word")
    what = f"the list of tags of run {run.name!r}"
    with FileLock.for_a_moment(run.tags_lock, what, "a tag is being set", "try again"):
        tags = whole_tags(run)
        if step is None:
            if tags.pop(tag, None) is None:
                raise unknown("tag", tag, tags)
        else:
            tags[tag] = step
        write_json(run.tags, tags)


# Pruning.


def thinning(run: RunFolder) -> tuple[str, str]:
    """Return a name for the held resource, and the hint, if another process tags or removes checkpoints of a run.

    Both hold `run.tags_lock`, so that no checkpoint is removed while it gets its tag.
    """
    return f"the list of checkpoints of run {run.name!r}", "try again"


def prunable(
    found: list[CheckpointInfo],
    keep_epochs: tuple[int, ...],
    keep_last: int,
    kept: frozenset[int] = frozenset(),
    keep_chunks: int | None = None,
    chunk_epochs: int | None = None,
) -> list[CheckpointInfo]:
    """Return the checkpoints that retention would remove.

    It keeps the newest intact ones, `keep_epochs`, the best, tagged ones, those of the steps `kept` (branches begin
    there, or jobs name them), and of the ends of chunks those of `kept_chunks`.

    keep_chunks: None keeps the end of every chunk · chunk_epochs: epochs of a chunk, for ends whose number was not
    stored; None keeps all of those.
    """
    newest = {c.step for c in [c for c in found if c.manifest][-max(1, keep_last) :]}
    ends = {c.step: _chunk(c.manifest, chunk_epochs) for c in found if c.manifest and c.manifest.chunk_end}
    going = {} if keep_chunks is None else {step: n for step, n in ends.items() if n is not None}
    standing = kept_chunks(list(going.values()), keep_chunks or 0)
    return [
        c
        for c in found
        if c.manifest
        and c.step not in newest
        and c.step not in kept
        and not c.tags
        and not c.best
        and (c.step not in ends or (c.step in going and going[c.step] not in standing))
        and not (c.manifest.whole_epoch and c.manifest.epoch in keep_epochs)
    ]


def kept_chunks(numbers: list[float], newest: int) -> frozenset[float]:
    """Return the numbers of the chunks whose ends retention keeps.

    These are the newest ones, and every k-th of the older ones, with the smallest k of 1, 2, 4, … that keeps at most
    as many older as newer ones. k never decreases as a run grows, so a chunk that is kept later was kept before.
    """
    ordered = sorted(numbers)
    last, older = ordered[-newest:], ordered[:-newest]
    every = 1
    while older and older[-1] // every > newest:
        every *= 2
    return frozenset(last) | {number for number in older if number % every == 0}


def _chunk(manifest: Manifest, chunk_epochs: int | None) -> float | None:
    """Return the number of the chunk that ends here, from 1; with a fraction if a job's target was before its end."""
    if manifest.chunk is not None:
        return manifest.chunk
    return manifest.epoch / chunk_epochs if chunk_epochs else None


# Publishing.


def publish(
    run: RunFolder, manifest: Manifest, write: Callable[[CheckpointFolder], None]
) -> CheckpointFolder:
    """Write a checkpoint so that readers see all of it or nothing.

    `write` puts the weight files into a temporary folder; they are hashed into the manifest, everything is fsynced,
    and the folder is renamed to its step. A damaged folder of the same step is moved aside first. Raises
    DiskFullError; nothing is left behind then.
    """
    target = run.checkpoint(manifest.step)
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    building = CheckpointFolder(run.checkpoints / f".{target.path.name}.{uuid.uuid4().hex[:8]}.new")
    try:
        with disk_errors(building.path):
            building.path.mkdir()
            write(building)
            reach("checkpoint.files_written")
            files = {}
            for path in sorted(building.path.iterdir()):
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                files[path.name] = {"size": path.stat().st_size, "sha256": sha256(path)}
            content = {**asdict(manifest), "files": files}
            write_sealed(building.manifest, content)
            fsync_folder(building.path)
            reach("checkpoint.before_rename")
            if target.path.exists():
                if verify(target) is None:
                    return target
                aside = run.checkpoints / f".{target.path.name}.damaged-{uuid.uuid4().hex[:8]}"
                target.path.rename(aside)
            building.path.rename(target.path)
            fsync_folder(run.checkpoints)
            reach("checkpoint.after_rename")
    finally:
        shutil.rmtree(building.path, ignore_errors=True)
    return target


def remove_leftovers(run: RunFolder) -> int:
    """Delete unfinished checkpoint folders of workers that died. Only the holder of the run's lock calls this."""
    if not run.checkpoints.is_dir():
        return 0
    found = [
        p
        for p in run.checkpoints.iterdir()
        if p.name.startswith(".") and p.name.endswith((".new", ".removed"))
    ]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


def remove(folder: CheckpointFolder) -> None:
    """Delete permanently, never leaving a partly deleted folder under its published name."""
    aside = folder.path.with_name(f".{folder.path.name}.removed")
    folder.path.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
