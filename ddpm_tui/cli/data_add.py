"""`ddpm-tui data add`: bring pictures in, register them as a data set and pack them."""

import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli.common import home, json_option, note, print_json
from ddpm_tui.cli.data_import import brought_here
from ddpm_tui.cli.data_packed import print_packed
from ddpm_tui.cli.numbers import MOST, Whole
from ddpm_tui.words import plural
from engine.base.errors import UsageError
from engine.base.text import shell_word
from engine.config.recipes import CROP_RECIPES


class _Looking:
    """Says now and then how far a folder was looked through, so that nobody waits for a huge one unknowingly."""

    EVERY_S = 5.0

    def __init__(self, path: str) -> None:
        self._path, self._said = path, time.monotonic()

    def __call__(self, found: int, where: str) -> None:
        now = time.monotonic()
        if now - self._said >= self.EVERY_S:
            self._said = now
            place = where.rpartition("/")[0]
            note(
                f"looking for pictures in {self._path}: {plural(found, 'file')} so far, now in {place or '.'}; "
                "Ctrl-C stops"
            )


@click.command()
@click.argument("paths", metavar="PATH…|celeba|hf:NAME", nargs=-1, required=True)
@click.option("--name", help="The data set's name. [default: from the path]")
@click.option(
    "--size",
    "sizes",
    type=Whole(8, 512),
    multiple=True,
    metavar="PIXELS",
    help="Pack it at this size. May be repeated. [default: 32]",
)
@click.option(
    "--recipe",
    type=click.Choice(list(CROP_RECIPES)),
    help="How to crop. [default: center178 for CelebA, else whole, the largest centred square]",
)
@click.option(
    "--limit",
    type=Whole(1, MOST),
    metavar="N",
    help="Pack only N pictures, evenly chosen. Runs use them with data.limit=N.",
)
@click.option(
    "--leave-out-broken", is_flag=True, help="Leave out unreadable pictures, however many there are."
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out files and folders of that name, e.g. --exclude test --exclude '*_mask.png'. May be "
    "repeated; stored with the data set.",
)
@click.option(
    "--labels",
    metavar="FILE",
    help="What is in each picture: list_attr_celeba (.txt or .csv), or a CSV or JSONL file with a column file_name. "
    "Without it one beside the pictures is found, else their folders are classes.",
)
@click.option("--exclude-nothing", is_flag=True, help="Remove the patterns of an earlier --exclude.")
@click.option(
    "--repack", is_flag=True, help="Pack again from the current pictures, even if they are packed already."
)
@click.option("--no-pack", is_flag=True, help="Only register it; it is packed when a run needs it.")
@json_option
def add(
    paths: tuple[str, ...],
    name: str | None,
    sizes: tuple[int, ...],
    recipe: str | None,
    limit: int | None,
    leave_out_broken: bool,
    exclude: tuple[str, ...],
    labels: str | None,
    exclude_nothing: bool,
    repack: bool,
    no_pack: bool,
    as_json: bool,
) -> None:
    """Add a folder or zip of pictures, nested or not, and pack it.

    Tars (also compressed), webdataset shards, parquet files, hf:NAME for a data set of the Hugging Face hub, and
    several paths as one set are copied into a zip of the home first, each file as it is. Folders called train,
    validation and test split the pictures.

    CelebA is recognised by its zip's or folder's content; a list_eval_partition.txt beside it decides which pictures
    are for training, and a list_attr_celeba.txt or --labels FILE says what is in each. `celeba` alone downloads it
    (1.4 GB) from its authors. Pictures that cannot be read are counted, named in a report and left out; more than one
    and more than 1 % is an error without --leave-out-broken. Ctrl-C stops; the same command continues from there.

    Hidden files, folders of network storage and recycle bins, files that are not pictures and unreadable files are
    left out and counted by kind. A pattern of --exclude is compared with each part of a path, or, if it contains '/',
    with the whole path.
    """
    from engine.data.catalog import add_source, load_source
    from engine.data.labelling import label_source

    if exclude and exclude_nothing:
        raise UsageError("--exclude and --exclude-nothing exclude each other", "give one of them")
    if paths == ("celeba",) and not Path("celeba").exists():
        _download(as_json)
        path, name = load_source(home(), "celeba").path, "celeba"
    else:
        path, name = brought_here(paths, name, as_json)
    patterns = None if not (exclude or exclude_nothing) else exclude
    source = add_source(home(), path, name, leave_out_broken, patterns, _Looking(path))
    table = label_source(home(), source.name, labels)
    if not as_json:
        note(_described(source))
        for line in _remarks(source):
            note(line)
        _say_labels(table)
    facts = []
    recipe = recipe or ("center178" if source.celeba else "whole")
    for pixels in () if no_pack else sizes or (32,):
        facts.append(_pack(source.name, pixels, recipe, limit, repack, as_json))
    if facts and source.listed:
        _put_edited_away(source.name)
    if as_json:
        print_json({**asdict(source), "packed": facts})
    elif facts and limit is not None and limit < source.pictures:
        note(
            f"a run takes all {plural(source.pictures, 'picture')} unless its profile has data.limit: "
            f"ddpm-tui train PROFILE --set data.dataset={source.name} --set data.limit={limit}"
        )


def _say_labels(table: Any) -> None:
    """Which labels were found, and what is wrong with them."""
    if table is None:
        return
    names = table.labels.names
    what = (
        plural(len(names), "class", "classes")
        if table.labels.kind == "class"
        else plural(len(names), "label")
    )
    note(f"{what} from {table.source}: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}")
    for line in table.remarks:
        note(line)


def _put_edited_away(name: str) -> None:
    from engine.runs.pictures import discard_edited

    gone, keepers = discard_edited(home(), name)
    if gone:
        note(f"pictures were edited: {plural(gone, 'folder')} packed before that moved to the trash")
    if keepers:
        note(
            f"pictures were edited: {', '.join(keepers)} {'keeps' if len(keepers) == 1 else 'keep'} using the old ones"
        )


def _download(quiet: bool) -> None:
    from ddpm_tui.cli.foreground import run_job

    run_job(home(), "fetch", None, {"dataset": "celeba"}, quiet=quiet, go_on="ddpm-tui data add celeba")


ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".parquet", ".tfrecord")


def _described(source: Any) -> str:
    from engine.data.left_out import LeftOut

    parts = [f"{source.name}: {plural(source.pictures, 'picture')} in {source.path}"]
    if source.celeba:
        parts.append("CelebA")
    if source.partition:
        parts.append(f"{source.partition} decides who trains")
    if source.left_out:
        left_out = LeftOut.from_json(source.left_out)
        first = next(iter(left_out))
        alone = first.count == left_out.total and first.label.startswith(".")
        words = f"{first.count:,} {first.label} left out" if alone else f"left out: {left_out.in_words()}"
        parts.append(words)
        for kind in left_out:
            if kind.label in ARCHIVES:
                more = f", nor into {kind.count - 1:,} more" if kind.count > 1 else ""
                parts.append(f"{kind.example} is not opened{more}")
    return "; ".join(parts)


NOT_TO_TRAIN_ON = re.compile(r"mask|anno|label|segm|depth|edge|test|val|thumb|backup|copy", re.IGNORECASE)
"""Words in folder names that suggest that the pictures are not meant for training."""


def _remarks(source: Any) -> list[str]:
    """Return notes about a data set's folders, and how to include files that were left out."""
    from engine.data.listing_checks import FETCH

    remarks = []
    if source.partition_problem:
        remarks.append(f"{source.partition_problem}; about 2 % are held out by name instead")
    if source.partition_remark:
        remarks.append(source.partition_remark)
    if source.folders:
        counts = ", ".join(f"{folder or 'beside them'} {count:,}" for folder, count in source.folders.items())
        names = [folder for folder in source.folders if folder not in ("", "…")]
        doubtful = next((name for name in names if NOT_TO_TRAIN_ON.search(name)), None)
        way_out = f"--exclude {shell_word(doubtful or names[-1])} leaves "
        way_out += "its pictures out" if doubtful else "the pictures of one out"
        remarks.append(f"pictures of all these folders are used: {counts}; {way_out}")
    if source.exclude:
        patterns = " ".join(f"--exclude {shell_word(pattern)}" for pattern in source.exclude)
        remarks.append(f"stored with the data set: {patterns} (--exclude-nothing removes them)")
    remarks += [f"{kind}: {FETCH[kind]}" for kind in source.left_out if kind in FETCH]
    if ".zip" in source.left_out and source.kind == "folder":
        inside = str(Path(source.path) / str(source.left_out[".zip"]["example"]))
        remarks.append(f"a zip is a data set of its own: ddpm-tui data add {shell_word(inside)} --name NAME")
    return remarks


def _pack(name: str, pixels: int, recipe: str, limit: int | None, anew: bool, quiet: bool) -> dict[str, Any]:
    from ddpm_tui.cli.foreground import run_job
    from engine.base.folders import PackedFolder
    from engine.data.manifest import load_manifest

    args = {"dataset": name, "size": pixels, "recipe": recipe, "limit": limit, "anew": anew}
    result = run_job(
        home(), "pack", None, args, device="cpu", quiet=quiet, go_on="the same command continues from there"
    )
    folder = PackedFolder(Path(result.extra["folder"]))
    manifest = load_manifest(folder)
    if not quiet:
        print_packed(folder, manifest)
    return {"folder": str(folder.path), **asdict(manifest)}
