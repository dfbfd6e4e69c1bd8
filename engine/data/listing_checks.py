"""Checks of whether the scanned pictures can be a data set, with the reason and a remedy if not."""

from pathlib import Path
from typing import Final

from engine.base.errors import UserError
from engine.data.partition import Partition
from engine.data.scan import Listing

BROKEN_SHARE: Final = 0.01
"""The largest share of unreadable pictures without an error, unless the data set was added so that all may be left
out. A single one is never an error.
"""

FETCH: Final = {
    "git-lfs pointers": "`git lfs pull` in that folder fetches the pictures",
    "git-annex pointers": "`git annex get` in that folder fetches the pictures",
    ".heic": "convert them to JPEG first",
    ".heif": "convert them to JPEG first",
}
"""Ways to turn left-out files into pictures, by kind."""


def may_be_broken(pictures: int) -> int:
    """Return the number of pictures that may be broken: one, or up to 1 %."""
    return max(1, int(BROKEN_SHARE * pictures))


def check_pictures(path: Path, listing: Listing, leave_out_broken: bool) -> None:
    """Raise UserError if fewer than two pictures are listed, or too many cannot be read by this program.

    path: the folder or zip that was listed.
    """
    _check_readable(listing, leave_out_broken)
    if len(listing.names) < 2:
        raise _too_few(path, listing)


def partition_words(listing: Listing) -> tuple[str, str]:
    """Return why the partition file is not used, or else what it leaves open; '' for none."""
    if listing.partition is None:
        return "", ""
    partition = Partition(listing.partition)
    problem = partition.problem(listing.names)
    if problem:
        return f"{listing.partition_at} is not used: {problem}", ""
    remark = partition.remark(listing.names)
    return "", f"{listing.partition_at}: {remark}" if remark else ""


def _check_readable(listing: Listing, leave_out_broken: bool) -> None:
    """Raise UserError for a zip in which more than 1 % of the pictures, or all, need another program."""
    locked = listing.unreadable.total
    few = leave_out_broken or locked <= may_be_broken(locked + len(listing.names))
    if not locked or (few and len(listing.names) > 1):
        return
    kind = next(iter(listing.unreadable)).label
    why = " (Windows does that above 2 GB)" if "Deflate64" in kind else ""
    how_many = (
        "every picture" if not listing.names else f"{locked:,} of {locked + len(listing.names):,} pictures"
    )
    raise UserError(
        f"{how_many} in {listing.path} {'is' if not listing.names else 'are'} {kind}{why}",
        f"unpack it{' with its password' if kind == 'encrypted' else ''} and add the folder",
    )


def _too_few(path: Path, listing: Listing) -> UserError:
    if not listing.names:
        kinds = list(listing.left_out)
        others = f" (left out: {listing.left_out.in_words()})" if kinds else ""
        way_out = "give a folder of pictures or a zip of them"
        if listing.archive:
            inside = listing.kind == "zip"
            way_out = f"unpack {listing.archive} and add it" if inside else f"add {path / listing.archive}"
        elif kinds:
            way_out = FETCH.get(kinds[0].label, way_out)
        return UserError(f"there is no picture in {path}{others}", way_out)
    return UserError(
        f"there is only one picture in {path} ({listing.names[0]})",
        "at least two are needed: one to train on and one to hold out",
    )
