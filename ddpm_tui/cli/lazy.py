"""A click group that imports a command's module only when that command is used or asked for help.

The help lines of the commands are in a separate table, so that `--help` imports none of them.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from typing import NamedTuple

import click

from engine.base.errors import UsageError, nearest


class Lazy(NamedTuple):
    """The place of a command, and the line that `--help` shows for it."""

    module: str
    attribute: str
    help: str

    def load(self) -> click.Command:
        command: click.Command = getattr(importlib.import_module(self.module), self.attribute)
        return command

    @property
    def present(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


class LazyGroup(click.Group):
    """A group with commands in the order of the table; `sections` gives headings."""

    def __init__(self, *args: object, sections: Mapping[str, Mapping[str, Lazy]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.sections = sections

    @property
    def table(self) -> dict[str, Lazy]:
        return {
            name: lazy for section in self.sections.values() for name, lazy in section.items() if lazy.present
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        lazy = self.table.get(cmd_name)
        return lazy.load() if lazy else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.table and not ctx.resilient_parsing:
            raise no_command(args[0], list(self.table), ctx.command_path)
        return super().resolve_command(ctx, args)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> "list[click.shell_completion.CompletionItem]":
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=lazy.help)
            for name, lazy in self.table.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in self.sections.items():
            rows = [(name, lazy.help) for name, lazy in section.items() if lazy.present]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class NounGroup(click.Group):
    """A group for one noun (`runs`, `data`, …): for an unknown verb it suggests the nearest one, and it never
    truncates help lines.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not ctx.resilient_parsing:
            raise no_command(args[0], list(self.commands), ctx.command_path)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=200))
                    for name, command in sorted(self.commands.items())
                ]
            )


def no_command(given: str, known: list[str], path: str) -> UsageError:
    close = nearest(given, known)
    return UsageError(
        f"{path} has no command {given!r}",
        f"did you mean {close!r}?" if close else f"see `{path} --help`",
    )
