"""`ddpm-tui trash`: deleted things, until they are purged."""

import time

import click

from ddpm_tui.cli.common import confirm, home, json_option, note, print_json, print_table, say, yes_option
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.words import ago, plural, size
from engine.base.errors import UserError, unknown


@click.group(cls=NounGroup)
def trash() -> None:
    """The trash. Deleting only moves things here; purging frees the space and cannot be undone."""


@trash.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List deleted things, newest first."""
    from engine.base.trash import list_trash, size_of

    found = list_trash(home(), lambda problem: note(f"left out: {problem}"))
    if as_json:
        print_json(
            [
                {
                    "id": t.id,
                    "kind": t.kind,
                    "what": t.label,
                    "deleted": t.deleted,
                    "bytes": size_of(t.path),
                }
                for t in found
            ]
        )
    elif not found:
        note("the trash is empty")
    else:
        now = time.time()
        print_table(
            ["WHAT", "KIND", "DELETED", "SIZE"],
            [[t.label, t.kind, ago(t.deleted, now), size(size_of(t.path))] for t in found],
            right={"SIZE"},
        )


@trash.command()
@click.argument("what", metavar="[WHAT]", required=False)
def restore(what: str | None) -> None:
    """Restore one thing, by default the last one deleted."""
    from engine.base.trash import list_trash
    from engine.base.trash import restore as bring_back

    found = list_trash(home())
    chosen = next((t for t in found if what in (None, t.label, t.id)), None)
    if chosen is None:
        if what is None:
            raise UserError("the trash is empty")
        raise unknown("deleted thing", what, [t.label for t in found])
    say(f"{chosen.label} is back: {bring_back(chosen)}")


@trash.command()
@click.argument("what", metavar="[WHAT]", required=False)
@yes_option
def purge(what: str | None, yes: bool) -> None:
    """Delete one thing, or everything in the trash, permanently."""
    from engine.base.trash import list_trash, size_of
    from engine.base.trash import purge as destroy

    found = [t for t in list_trash(home()) if what in (None, t.label, t.id)]
    if not found:
        if what:
            raise unknown("deleted thing", what, [t.label for t in list_trash(home())])
        note("the trash is empty")
        return
    confirm(
        f"delete {plural(len(found), 'thing')} for good ({size(sum(size_of(t.path) for t in found))})?", yes
    )
    say(f"{size(sum(destroy(t) for t in found))} freed")
