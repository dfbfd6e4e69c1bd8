"""The packed pictures of a run: those with which it began, even if its data set was added again with others.

Used for training, nearest faces and scores, and for runs that have not begun. Needs neither torch nor NumPy; packs
nothing.
"""

import contextlib
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.base.errors import DdpmError, UserError
from engine.base.folders import PackedFolder
from engine.base.home import Home
from engine.base.text import plural
from engine.base.trash import discard, list_trash
from engine.data.catalog import (
    load_source,
    open_source,
    packed_folder,
    packed_folders,
    place_of,
    trains_at_most,
)
from engine.data.manifest import is_whole, load_manifest
from engine.runs.record import RunRecord, load_run, run_names

if TYPE_CHECKING:
    from engine.config.profile import Profile


def pictures_of(home: Home, record: RunRecord) -> PackedFolder:
    """Return the pictures of a run's record, see `packed_for`."""
    return packed_for(home, record.profile.data.model_dump(), record.frozen, record.name)


def packed_for(home: Home, data: Mapping[str, Any], frozen: Mapping[str, Any], run: str = "") -> PackedFolder:
    """Return the folder of a run's packed pictures, which may not exist yet if the run has not begun.

    `data` is the profile's section and `frozen` that of run.json, both as plain data. A run of an older version,
    which began without recording its fingerprint, is identified by its folder. Raises UserError if the pictures with
    which it began are gone and the data set has others now, or if there is no such data set.
    """
    dataset, limit = str(data["dataset"]), data.get("limit")
    size, recipe = int(data["size"]), str(data.get("recipe", "center178"))
    began = frozen.get("data") or {}
    kept = PackedFolder(home.data / str(began["folder"])) if began.get("folder") else None
    if kept is not None and is_whole(kept):
        return kept
    wanted, way_back = began.get("fingerprint"), _way_back(home, kept)
    try:
        source = load_source(home, dataset)
    except UserError as error:
        if way_back:
            raise UserError(f"the pictures of run {run!r} are in the trash", way_back) from error
        raise
    if wanted is None:
        return packed_folder(home, dataset, size, recipe, limit)
    if source.fingerprint == wanted:
        return packed_folder(home, dataset, size, recipe, limit, wanted)
    raise UserError(
        f"the pictures that run {run!r} began with are gone, and data set {dataset!r} has others now",
        way_back or "bring them back and `data add` them again, or start a new run",
    )


def require_pictures(home: Home, profile: "Profile", *, listed: bool = True) -> None:
    """Raise UserError if the pictures of a new run of `profile` cannot be packed, or are fewer than a batch.

    `listed`: check also that they are those that were added, which lists a folder of 200,000 again. What is packed
    already needs no pictures. Pictures that turn out to be broken are not known yet.
    """
    data = profile.data.model_dump()
    folder = packed_for(home, data, {})
    if is_whole(folder):
        require_batch(profile, load_manifest(folder).train)
        return
    source = load_source(home, profile.data.dataset)
    listing = None
    if source.kind != "built-in":
        if listed:
            listing = open_source(home, source)
        else:
            place_of(source)
    require_batch(profile, trains_at_most(source, profile.data.limit, listing))


def require_batch(profile: "Profile", train: int, run: str | None = None) -> None:
    """Raise UserError if there are fewer training pictures (`train`) than a batch of `profile` needs; `run`: the
    name of an existing run, whose profile is frozen."""
    batch, data = profile.training.batch_size, profile.data
    if train >= batch:
        return
    more = "add pictures" if data.limit is None else "raise data.limit"
    smaller = f"train with {_smaller_batch(profile, train)}" if train else more
    way_out = smaller if smaller == more else f"{more}, or {smaller}"
    raise UserError(
        f"data set {data.dataset!r} has {plural(train, 'picture')} for training, but a batch has {batch:,}",
        way_out
        if run is None
        else f"run {run!r} can never train: `ddpm-tui runs delete {run}`, then {smaller}",
    )


def _smaller_batch(profile: "Profile", train: int) -> str:
    """The settings of the largest batch that `train` pictures fill, and that the profile's micro-batch divides."""
    micro = profile.micro_batch or 1
    if train >= micro:
        return f"--set training.batch_size={train // micro * micro}"
    return f"--set training.batch_size={train} --set training.micro_batch={train}"


def runs_on(home: Home, dataset: str) -> list[str]:
    """Return the names of the runs that began with pictures of this data set."""
    found = []
    for name in run_names(home):
        try:
            record = load_run(home, name)
        except DdpmError:
            continue
        if record.profile.data.dataset == dataset and record.frozen.get("data"):
            found.append(name)
    return found


def discard_edited(home: Home, dataset: str) -> tuple[int, list[str]]:
    """Move packed data of pictures that have been edited since to the trash, except data with which runs began.

    Returns the number of moved folders, and the names of the runs that keep theirs.
    """
    source = load_source(home, dataset)
    listed = source.listed or source.fingerprint
    stale = {
        folder.path.name: folder
        for folder, manifest in packed_folders(home, dataset)
        if manifest and manifest.fingerprint != source.fingerprint
        and (manifest.listed or manifest.fingerprint) == listed
    }  # fmt: skip
    keepers = []
    for name in runs_on(home, dataset) if stale else []:
        with contextlib.suppress(DdpmError):
            if stale.pop(str(load_run(home, name).frozen["data"].get("folder")), None):
                keepers.append(name)
    group = uuid.uuid4().hex
    for name, folder in stale.items():
        discard(home, "data", name, folder.path, group)
    return len(stale), keepers


def _way_back(home: Home, folder: PackedFolder | None) -> str:
    trashed = folder and any(t.label == folder.path.name for t in list_trash(home))
    return f"`ddpm-tui trash restore {folder.path.name}` brings them back" if folder and trashed else ""
