"""Profiles as the profiles screen shows them: read, checked, explained, costed. pydantic yes, torch never."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ddpm_tui.words import duration, learning_rate, number, plural, rate, size
from engine.base.errors import DdpmError, UserError
from engine.base.home import Home
from engine.config.overrides import typed_value
from engine.config.profile import SECTIONS, Profile
from engine.config.store import ProfileError, list_profiles, parse_profile, profile_text
from engine.jobs.files import new_job_folder, read_result

if TYPE_CHECKING:
    from ddpm_tui.tui.state.estimator import Estimating


@dataclass(frozen=True)
class ProfileEntry:
    """One profile file. problems: why it cannot be used, each with file and line; `profile` is None then."""

    name: str
    path: Path
    own: bool
    text: str = ""
    profile: Profile | None = None
    problems: tuple[str, ...] = ()


class ProfileReader:
    """All profiles; each file is read and checked again only when its stamp changed."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: dict[Path, tuple[tuple[int, int], ProfileEntry]] = {}
        self._all: tuple[ProfileEntry, ...] = ()

    def read(self) -> tuple[ProfileEntry, ...]:
        """Return the profiles by name; the same object if nothing changed."""
        known, self._known = self._known, {}
        for file in list_profiles(self.home):
            try:
                status = file.path.stat()
            except OSError:
                continue
            stamp = (status.st_mtime_ns, status.st_size)
            before = known.get(file.path)
            fresh = before is None or before[0] != stamp
            entry = _read(file.name, file.path, file.origin == "user") if fresh else before[1]  # type: ignore[index]
            self._known[file.path] = (stamp, entry)
        found = tuple(entry for _, entry in self._known.values())
        if [id(e) for e in found] != [id(e) for e in self._all]:
            self._all = found
        return self._all


def _read(name: str, path: Path, own: bool) -> ProfileEntry:
    text = ""
    try:
        text = profile_text(path)
        return ProfileEntry(name, path, own, text, parse_profile(text, str(path)))
    except ProfileError as error:
        return ProfileEntry(name, path, own, text, problems=tuple(p.text(path.name) for p in error.problems))


@dataclass(frozen=True)
class Setting:
    """One key of a profile. choices: all values it may have, if these are few."""

    key: str
    about: str
    choices: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        return self.key.partition(".")[2]


def settings() -> list[Setting]:
    """Return every key that a profile can have, in the order of its file."""
    found = [Setting("description", "a description in one line")]
    for section, model in SECTIONS.items():
        for name, field in model.model_fields.items():
            found.append(Setting(f"{section}.{name}", field.description or "", _choices(field.annotation)))
    return found


def _choices(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    arguments = get_args(annotation)
    if arguments and all(isinstance(a, str) for a in arguments):
        return tuple(arguments)
    if arguments and bool in arguments:
        return (*(v for a in arguments for v in get_args(a) if isinstance(v, str)), "true", "false")
    return ()


def get(profile: Profile, key: str) -> Any:
    """Return the value of 'section.key' (or 'description')."""
    section, _, name = key.partition(".")
    return getattr(getattr(profile, section), name) if name else getattr(profile, section)


def typed(key: str, text: str) -> Any:
    """Return the typed text as a plain value for `edit_toml`; None for nothing. Raises ProfileError."""
    text = text.strip()
    if key == "description":
        return text
    if not text:
        return None
    section, _, name = key.partition(".")
    return typed_value(section, name, text)


def counted(home: Home, profile: Profile) -> list[tuple[str, str]]:
    """Return the figures that need no model: levels, pictures, steps, chunks, the last learning rate."""
    from engine.data.catalog import packed_folder
    from engine.data.manifest import load_manifest

    data, training = profile.data, profile.training
    levels = [
        f"{data.size >> level}px×{profile.model.width * m}{'' if a == 'none' else ' ' + a}"
        for level, (m, a) in enumerate(zip(profile.model.multipliers, profile.attention, strict=True))
    ]
    facts = [("levels", ", ".join(levels))]
    chunks = -(-training.epochs // training.chunk_epochs)
    facts.append(
        (
            "length",
            f"{plural(training.epochs, 'epoch')} in {plural(chunks, 'chunk')} of {training.chunk_epochs}",
        )
    )
    try:
        pictures = load_manifest(packed_folder(home, data.dataset, data.size, data.recipe, data.limit)).train
    except DdpmError:
        limited = f" ({data.limit:,})" if data.limit else ""
        facts.append(
            ("pictures", f"{data.dataset} is not packed at {data.size} px {data.recipe}{limited} yet")
        )
    else:
        steps = pictures // training.batch_size
        facts.append(
            (
                "pictures",
                f"{pictures:,}: {plural(steps, 'step')} an epoch, {steps * training.epochs:,} in all",
            )
        )
    optim = profile.optim
    facts.append(
        (
            "learning rate",
            f"{learning_rate(optim.lr)} {optim.schedule}, {plural(optim.warmup_steps, 'step')} warm-up",
        )
    )
    return facts


def costs(profile: Profile, figures: dict[str, Any]) -> list[tuple[str, str]]:
    """Return an estimate job's figures in names and values; measured ones only if they were measured."""
    batch = profile.micro_batch or profile.training.batch_size
    facts = [
        (
            "parameters",
            f"{figures['parameters'] / 1e6:.2f} M, {number(figures['forward_macs'] / 1e6)} MMAC a picture",
        ),
        ("memory", f"{size(figures['state_bytes'])} weights and optimizer"),
        ("", f"{size(figures['activation_bytes'])} activations at {plural(batch, 'picture')}"),
        ("a checkpoint", size(figures["checkpoint_bytes"])),
        ("device", str(figures["summary"])),
    ]
    if "images_per_s" in figures:
        facts.append(("speed", rate(figures["images_per_s"])))
    if "epoch_seconds" in figures:
        facts.append(("an epoch", duration(figures["epoch_seconds"])))
        facts.append(("the run", duration(figures["run_seconds"])))
    return facts


async def figures_in_short(home: Home, estimator: "Estimating", name: str) -> str:
    """Return a profile's needs in a few words: "1.35 M parameters, 206 MB at a time". Raises DdpmError."""
    from engine.config.store import load_profile

    profile = await asyncio.to_thread(load_profile, home, name)
    figures = await estimator.figures(profile.to_dict())
    if figures is None:
        return ""
    memory = figures["state_bytes"] + figures["activation_bytes"]
    return f"{figures['parameters'] / 1e6:.2f} M parameters, about {size(memory)} of memory"


def estimate(
    home: Home, profile: Profile, measure: bool, stop: threading.Event, report: Callable[[str], None]
) -> dict[str, Any]:
    """Do an estimate job in a worker of our own, wait for it, and return its figures. Raises UserError with its
    message.

    `report` is called with the worker's progress. Called in a thread; setting `stop` ends the worker.
    """
    from engine.jobs.files import read_progress
    from engine.service.launchers.local import LocalLauncher

    args = {"profile": profile.to_dict(), "measure": measure}
    folder = new_job_folder(home.create(), "estimate", None, args, "auto", foreground=True)
    worker = LocalLauncher(home).run(folder, "auto")
    said = ""
    try:
        while not worker.wait_here(0.2):
            if stop.is_set():
                worker.kill()
                return {}
            progress = read_progress(folder)
            if progress is not None and progress.text != said:
                said = progress.text
                report(said)
    finally:
        worker.sweep()
    result = read_result(folder)
    if result is None or result.outcome != "done":
        why = result.message if result else f"its worker ended without a result, see {folder.log}"
        raise UserError(f"the estimate failed: {why}", result.hint if result else None)
    return dict(result.extra)
