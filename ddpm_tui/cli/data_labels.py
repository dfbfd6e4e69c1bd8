"""`ddpm-tui data labels`: what is known of the pictures of a data set, and changing its names."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import home, json_option, note, print_json, print_table, say
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.words import plural
from engine.base.errors import UsageError

SHOWN = 60
"""Labels that `data show` lists."""


@click.group(cls=NounGroup)
def labels() -> None:
    """Labels of a data set: list them, rename, merge and drop some.

    They come from a label file beside the pictures, from --labels FILE of `data add`, or from the folders that the
    pictures are in. Changing them packs nothing again; runs that began with them as they were go on with those.
    """


@labels.command("list")
@click.argument("name", shell_complete=complete.datasets)
@json_option
def list_(name: str, as_json: bool) -> None:
    """The labels, and how many pictures have each."""
    from engine.base.errors import UserError
    from engine.data.catalog import load_source
    from engine.data.labelling import no_labels_hint, source_labels

    table = source_labels(home(), name)
    if as_json:
        print_json(_facts(table))
        return
    if table is None:
        raise UserError(f"data set {name!r} has no labels", no_labels_hint(load_source(home(), name)))
    print_labels(table)


@labels.command()
@click.argument("name", shell_complete=complete.datasets)
@click.argument("old")
@click.argument("new")
def rename(name: str, old: str, new: str) -> None:
    """Call the label OLD by another name."""
    _change(name, lambda found: found.renamed(old, new))


@labels.command()
@click.argument("name", shell_complete=complete.datasets)
@click.argument("merged", metavar="LABEL…", nargs=-1, required=True)
@click.option("--into", required=True, metavar="NEW", help="What the one that is left is called.")
def merge(name: str, merged: tuple[str, ...], into: str) -> None:
    """Make one label of several: present if any of them is, absent if all are. Several classes become one."""
    _change(name, lambda found: found.merged(merged, into))


@labels.command()
@click.argument("name", shell_complete=complete.datasets)
@click.argument("dropped", metavar="LABEL…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget all labels of the data set.")
def drop(name: str, dropped: tuple[str, ...], everything: bool) -> None:
    """Leave labels out; pictures of a class that is left out are of an unknown one."""
    if everything == bool(dropped):
        raise UsageError("drop which labels?", f"name them, or --all; see `data labels list {name}`")
    if everything:
        from engine.data.labelling import forget_labels

        forget_labels(home(), name)
        say(f"{name} has no labels any more; `ddpm-tui data add` takes them anew")
        return
    _change(name, lambda found: found.without(dropped))


def _change(name: str, change: Callable[[Any], Any]) -> None:
    from engine.data.labelling import edit_labels

    print_labels(edit_labels(home(), name, change))


def _facts(table: Any) -> dict[str, Any] | None:
    from engine.data.labelling import facts_of

    return None if table is None else facts_of(table)


def label_facts(name: str) -> dict[str, Any] | None:
    """What is known of a data set's labels, as plain data; None if it has none."""
    from engine.data.labelling import source_labels

    return _facts(source_labels(home(), name))


def print_labels(table: Any, most: int | None = None) -> None:
    """The labels with how many pictures have each, and what was found when they were read."""
    found = table.labels
    kind = "class" if found.kind == "class" else "label"
    if not len(found):  # of the built-in faces, which are labelled when they are drawn
        say(f"labels: {', '.join(found.names)}")
        return
    unlabelled = found.unlabelled
    said = f"{plural(len(found.names), kind, 'classes' if kind == 'class' else None)} from {table.source}"
    said += f"; nothing is known of {plural(unlabelled, 'picture')}" if unlabelled else ""
    say(said)
    rows: Sequence[tuple[str, int, int, int]] = found.counts()
    print_table(
        [kind.upper(), "PRESENT", "ABSENT", "UNKNOWN", "SHARE"],
        [
            [label, f"{present:,}", f"{absent:,}", f"{unknown:,}", _share(present, present + absent)]
            for label, present, absent, unknown in rows[:most]
        ],
        right={"PRESENT", "ABSENT", "UNKNOWN", "SHARE"},
    )
    if most is not None and len(rows) > most:
        note(f"and {len(rows) - most:,} more: ddpm-tui data labels list NAME")
    for line in table.remarks:
        note(line)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"
