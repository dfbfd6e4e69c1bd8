"""The state of a data set's packed forms, in words."""

from typing import Any

from ddpm_tui.cli.common import note, say
from ddpm_tui.words import plural, size

REFUSED = "refused because of broken pictures; they are listed in"


def form(manifest: Any) -> str:
    """Return for example "32 px center178", with the number of pictures if it is not all of them."""
    crop = "" if manifest.recipe == "drawn" else f" {manifest.recipe}"
    return f"{manifest.size} px{crop}" + (f" ({manifest.count:,})" if manifest.limit else "")


def refused(folder: Any) -> bool:
    """Return whether the folder has only the report of broken pictures, because packing was refused."""
    return (
        not folder.manifest.exists()
        and folder.report.exists()
        and not any(folder.path.glob(f"{folder.pictures.name}*"))
    )


def print_packed(folder: Any, manifest: Any) -> None:
    """Print the pictures of a packed form and their split, and note on stderr whatever is unusual about it."""
    from engine.data.manifest import remarks

    crop = "" if manifest.recipe == "drawn" else f", crop {manifest.recipe}"
    say(
        f"{manifest.dataset} at {manifest.size} px{crop}: {plural(manifest.count, 'picture')} "
        f"({manifest.train:,} to train on, {manifest.held_out:,} held out"
        + (f", {manifest.test:,} for tests" if manifest.test else "")
        + (", split by its partition file" if manifest.split_by == "partition" else "")
        + f"), {size(sum(f['size'] for f in manifest.files.values()))}"
    )
    if manifest.enlarged:
        note(_enlarged(manifest))
    for line in remarks(manifest):
        note(line)
    if manifest.broken:
        note(f"{plural(manifest.broken, 'picture')} could not be read; see {folder.report}")


def _enlarged(manifest: Any) -> str:
    """Return a note if pictures were smaller than the packed size, because enlarged pictures have no fine detail."""
    every = manifest.enlarged == manifest.count
    which = f"all {manifest.count:,}" if every else f"{manifest.enlarged:,} of {manifest.count:,}"
    sides = (
        f"{manifest.smallest} px"
        if manifest.smallest == manifest.largest
        else (f"{manifest.smallest} to {manifest.largest} px")
    )
    grown = f" from {sides}" if manifest.smallest else ""
    return f"{which} were enlarged{grown} to {manifest.size} px: a smaller --size is enough"
