"""Packing: decode, crop and scale every picture of a data set once, into one uint8 file.

It can be killed at any point and continues from the last finished block with the same bytes. Needs no torch. Knows
folders only through `engine.base.folders`, sources only through `engine.data.catalog`.

During packing, the folder has the growing pictures file and a journal of finished blocks with their checksums; the
manifest is written last and completes the folder.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from engine.base import failpoints, files
from engine.base.errors import DdpmError, GoneError, UserError
from engine.base.files import FileLock
from engine.base.folders import PackedFolder
from engine.base.home import Home
from engine.base.text import plural
from engine.data import catalog
from engine.data.catalog import Source
from engine.data.decoder import Block, DecodedBlock, Decoder, Task
from engine.data.freshness import digest
from engine.data.journal import Journal, PackedTotals
from engine.data.listing_checks import may_be_broken
from engine.data.manifest import PackedManifest, is_whole
from engine.data.partition import Partition
from engine.data.pool import DecoderPool, available_cores
from engine.data.scan import Listing
from engine.data.split import HELD_OUT, TEST, TRAIN, assign, choose

Report = Callable[[int, int, str], None]
"""A function called with (pictures done, pictures in all, description)."""

BLOCK_BYTES: Final = 1 << 20
BLOCK_PICTURES: Final = 64


class PackingStoppedError(DdpmError):
    """Raised when `should_stop` returns True. Packing continues from there the next time."""


@dataclass(frozen=True)
class _PackingPlan:
    """The pictures to pack, in order."""

    task: Task
    source: Source
    identity: dict[str, object]
    listing: Listing | None
    """None for the built-in faces"""
    chosen: list[int] | None
    """indices into the listing if a limit leaves some out"""
    total: int
    per_block: int

    @property
    def picture_bytes(self) -> int:
        return 3 * self.task.size * self.task.size

    def index(self, place: int) -> int:
        return self.chosen[place] if self.chosen is not None else place

    def name(self, place: int) -> str:
        return self.listing.names[self.index(place)] if self.listing else f"{place:06d}"

    def blocks(self, first: int) -> Iterator[Block]:
        for index in range(first, -(-self.total // self.per_block)):
            start = index * self.per_block
            places = range(start, min(start + self.per_block, self.total))
            listing = self.listing
            items = tuple(listing.item(self.index(p)) if listing else (p,) for p in places)
            yield Block(index, items)


def pack(
    home: Home,
    dataset: str,
    size: int,
    recipe: str,
    limit: int | None = None,
    report: Report = lambda done, total, text: None,
    should_stop: Callable[[], bool] = lambda: False,
    processes: int | None = None,
    anew: bool = False,
) -> PackedFolder:
    """Return the packed folder of a data set, packing it first if necessary.

    A complete folder is returned at once, without reading the source; with `anew` it is packed again from the current
    source. If another process packs the same data, this waits for it. Uses all cores, and memory that does not grow
    with the number of pictures (their names aside).

    Raises UserError (unknown data set or recipe; source moved or changed; more than 1 % broken, or too few left),
    DiskFullError, PackingStoppedError.
    """
    source = catalog.load_source(home, dataset)
    folder = catalog.packed_folder(home, dataset, size, recipe, limit)
    if anew:
        folder = catalog.own_packed_folder(home, source, size, recipe, limit)
    elif is_whole(folder):
        _tidy(folder)
        return folder
    home.create()
    with _wait_for_lock(folder, dataset, report, should_stop) as lock:
        if is_whole(folder) and not anew:
            return folder
        _remove(_leftovers(folder))
        lock.describe(f"process {os.getpid()}, which packs {dataset}")
        plan = _plan(home, source, size, recipe, limit)
        journal = Journal(folder, plan.identity, plan.picture_bytes, plan.per_block)
        with journal:
            progress = _decode_all(plan, journal, report, should_stop, processes)
            _publish(plan, folder, journal, progress)
    return folder


def _leftovers(folder: PackedFolder) -> list[Path]:
    """Return files that killed packing processes left unfinished."""
    return list(folder.path.glob(".*.tmp"))


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _tidy(folder: PackedFolder) -> None:
    """Delete leftovers of finished packing, unless another process is packing."""
    left = [*_leftovers(folder), *folder.path.glob("journal.jsonl")]
    if left and (lock := _try_lock(folder)) is not None:
        with lock, contextlib.suppress(OSError):
            _remove(left)


def _wait_for_lock(
    folder: PackedFolder, dataset: str, report: Report, should_stop: Callable[[], bool]
) -> FileLock:
    while (lock := _try_lock(folder)) is None:
        if should_stop():
            raise PackingStoppedError(f"stopped while another process was packing {dataset}")
        holder = files.lock_holder(folder.lock) or f"another process, which packs {dataset}"
        report(0, 1, f"waiting for {holder}")
        time.sleep(0.2)
    return lock


def _try_lock(folder: PackedFolder) -> FileLock | None:
    """Return the folder's lock; the folder is created if it is missing, even if another process has just deleted it."""
    with contextlib.suppress(GoneError):
        folder.path.mkdir(exist_ok=True)
        return FileLock.try_acquire(folder.lock)
    return None


def _plan(home: Home, source: Source, size: int, recipe: str, limit: int | None) -> _PackingPlan:
    identity = catalog.packed_identity(source, size, recipe, limit)
    limit = identity["limit"] if isinstance(identity["limit"], int) else None
    per_block = max(1, min(BLOCK_PICTURES, BLOCK_BYTES // (3 * size * size)))
    if source.kind == "built-in":
        task = Task("faces", "", "drawn", size, catalog.FACES_SEED)
        return _PackingPlan(task, source, identity, None, None, limit or catalog.FACES_COUNT, per_block)
    listing = catalog.open_source(home, source)
    chosen = choose(listing.names, limit) if limit is not None else None
    task = Task(listing.kind, str(listing.path), recipe, size)
    total = len(chosen) if chosen is not None else len(listing.names)
    return _PackingPlan(task, source, identity, listing, chosen, total, per_block)


def _decode_all(
    plan: _PackingPlan,
    journal: Journal,
    report: Report,
    should_stop: Callable[[], bool],
    processes: int | None,
) -> PackedTotals:
    """Decode the blocks that the journal does not have yet."""
    progress = journal.resume()
    files.require_free(
        journal.folder.path, plan.total * plan.picture_bytes - progress.good * plan.picture_bytes
    )
    text = f"packing {plan.source.name} at {plan.task.size}×{plan.task.size}"
    done = progress.blocks * plan.per_block
    report(min(done, plan.total), plan.total, text)
    _check_broken(plan, journal, progress)
    for result in _results(plan, progress.blocks, should_stop, processes):
        journal.append(result)
        _check_broken(plan, journal, progress)
        done = min(progress.blocks * plan.per_block, plan.total)
        report(done, plan.total, text)
    if progress.blocks * plan.per_block < plan.total:
        raise PackingStoppedError(
            f"packing {plan.source.name} stopped at {done:,} of {plural(plan.total, 'picture')}",
            "start it again to continue",
        )
    return progress


def _results(
    plan: _PackingPlan, first: int, should_stop: Callable[[], bool], processes: int | None
) -> Iterator[DecodedBlock]:
    left = -(-plan.total // plan.per_block) - first
    if left <= 1 and processes is None:  # starting processes would take longer than the work
        decoder = Decoder(plan.task)
        try:
            for block in plan.blocks(first):
                if should_stop():
                    return
                yield decoder.work(block)
        finally:
            decoder.close()
        return
    with DecoderPool(plan.task, min(left, processes or available_cores())) as pool:
        yield from pool.results(plan.blocks(first), should_stop)


def _check_broken(plan: _PackingPlan, journal: Journal, progress: PackedTotals) -> None:
    """Raise an error as soon as it is certain that more than 1 % are broken. The report stays, the pixels are
    deleted.
    """
    if plan.source.leave_out_broken or len(progress.broken) <= may_be_broken(plan.total):
        return
    place, reason = next(iter(progress.broken))
    first = f"the first is {plan.name(place)!r}: {reason}"
    _write_report(plan, journal.folder, progress)
    journal.discard()
    raise UserError(
        f"more than 1 % of the pictures of {plan.source.name!r} are broken "
        f"({len(progress.broken):,} of {plan.total:,}; {first})",
        f"{journal.folder.report} names them; fix or remove them and add the data set again, "
        "or use --leave-out-broken",
    )


def _write_report(plan: _PackingPlan, folder: PackedFolder, progress: PackedTotals) -> None:
    lines = []
    for place, reason in progress.broken:
        name = plan.name(place).encode("utf-8", "backslashreplace").decode()
        lines.append(f"{name}\t{reason}".replace("\n", "\\n") + "\n")
    files.write_text(folder.report, "".join(lines))


def _publish(plan: _PackingPlan, folder: PackedFolder, journal: Journal, progress: PackedTotals) -> None:
    """Write split and report, rename the files, and write the manifest last."""
    broken = {place for place, _ in progress.broken}
    names = [plan.name(place) for place in range(plan.total) if place not in broken]
    if len(names) < 2:
        raise UserError(
            f"{plan.source.name!r} has {len(names)} usable picture{'s' * (len(names) != 1)} here",
            "at least two are needed: one to train on and one to hold out",
        )
    content = plan.listing.partition if plan.listing else None
    split, by_partition = assign(names, Partition(content) if content else None)
    limit = plan.identity["limit"]
    if split.count(TRAIN) == 0:
        raise UserError(
            f"the partition of {plan.source.name!r} leaves no picture to train on ({plan.source.partition})",
            "fix it, or raise the limit" if limit else "fix it, or move it away",
        )
    files.write_bytes(folder.split, bytes(split))
    _write_report(plan, folder, progress)
    pictures = journal.finish()
    manifest = PackedManifest(
        dataset=plan.source.name,
        size=plan.task.size,
        recipe=str(plan.identity["recipe"]),
        resampling=str(plan.identity["resampling"]),
        limit=limit if isinstance(limit, int) else None,
        fingerprint=plan.source.fingerprint,
        source=plan.source.path,
        count=len(names),
        train=split.count(TRAIN),
        held_out=split.count(HELD_OUT),
        test=split.count(TEST),
        split_by="partition" if by_partition else "name",
        broken=len(broken),
        celeba_shaped=progress.celeba_shaped,
        enlarged=progress.enlarged,
        smallest=progress.smallest,
        largest=progress.largest,
        listed=plan.source.listed,
        contents=digest(progress.contents) if plan.listing else "",
        darkest=progress.darkest if plan.listing else None,
        brightest=progress.brightest if plan.listing else None,
        files={
            folder.pictures.name: pictures,
            folder.split.name: {"size": len(split), "sha256": hashlib.sha256(split).hexdigest()},
        },
    )
    shutil.rmtree(folder.statistics, ignore_errors=True)  # of data packed here before
    folder.label_record.unlink(missing_ok=True)
    files.write_json(folder.manifest, asdict(manifest))
    failpoints.reach("pack.manifest")
    journal.forget()
