"""Functions that several commands share: options, printing tables or JSON, asking for confirmation."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from engine.base.errors import DdpmError, UsageError, UserError
from engine.base.files import without_nan
from engine.base.home import Home
from engine.base.text import visible, visible_json, visible_lines

if TYPE_CHECKING:
    from rich.text import Text

    from engine.base.folders import RunFolder
    from engine.runs.checkpoints import CheckpointInfo

_F = TypeVar("_F", bound=Callable[..., Any])
_Thing = TypeVar("_Thing")

Piece = str | tuple[str, str]
"""Text, or (text, style), where style is a colour that click knows, or "bold"."""
Line = Sequence[Piece]

json_option: Callable[[_F], _F] = click.option(
    "--json", "as_json", is_flag=True, help="Print facts as JSON on standard output."
)
yes_option: Callable[[_F], _F] = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


TABLE_LEAST = 72
"""The minimum number of columns of a table; a narrower terminal wraps it."""


def set_option(function: _F) -> _F:
    """Add the option --set section.key=value, which may be repeated."""
    from ddpm_tui.cli import complete

    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        shell_complete=complete.settings,
        callback=_check_settings,
        help="Change a setting, e.g. --set optim.lr=1e-4. May be repeated.",
    )(function)


def _check_settings(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """Check only the form of the settings; the profile checks sections, keys and values."""
    if given:
        from engine.config.overrides import split_override

        for override in given:
            try:
                split_override(override)
            except UserError as error:
                raise UsageError(error.what, error.hint) from None
    return given


def device_option(function: _F) -> _F:
    from ddpm_tui.cli import complete

    return click.option(
        "--device",
        default="auto",
        show_default=True,
        metavar="auto|cpu|cuda:N",
        callback=_check_device,
        shell_complete=complete.devices,
        help="The device to compute on.",
    )(function)


def _check_device(_: click.Context, __: click.Parameter, value: str) -> str:
    kind, colon, number = value.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (colon and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"there is no device {value!r}", "use auto, cpu, cuda or cuda:N")
    return "cuda:0" if value == "cuda" else value


def check_steps(steps: int | None, most: int) -> None:
    """Refuse more `steps` than the run was trained for at once, before the job would. Raises UserError."""
    if steps is not None and steps > most:
        raise UserError(f"--steps {steps} is more than the run's {most} diffusion steps")


def home() -> Home:
    return Home.find()


def resolved(reference: str) -> "tuple[RunFolder, CheckpointInfo]":
    """The run and checkpoint that a reference means now; damaged ones that `latest` passes over are noted."""
    from engine.runs.checkpoints import resolve

    run, info = resolve(home(), reference)
    if info.passed_over:
        note(info.passed_over)
    return run, info


def each(things: Sequence[_Thing], change: Callable[[_Thing], None]) -> None:
    """Apply `change` to each of several things. An error with one of them is printed and does not stop the others; at
    the end, exit with the code of the first error.
    """
    code = 0
    for thing in things:
        try:
            change(thing)
        except DdpmError as error:
            if len(things) == 1:
                raise
            note(f"error: {error}")
            code = code or error.exit_code
    if code:
        raise click.exceptions.Exit(code)


def print_json(facts: Any) -> None:
    """Print one JSON value, indented, on standard output. NaN and infinities, which JSON lacks, become null."""
    plain = without_nan(facts)
    document = json.dumps(plain, indent=1, ensure_ascii=not _can_write("ᾱ×–"), default=str, allow_nan=False)
    click.echo(visible_json(document))


def print_json_line(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(without_nan(facts), separators=(",", ":"), default=str, allow_nan=False))


def say(*pieces: Piece) -> None:
    """Print one line for people on standard output, in characters that its encoding has; control characters are
    escaped.
    """
    click.echo("".join(_styled(printable(text), style) for text, style in map(_pair, pieces)))


def say_text(text: str) -> None:
    """Print a text of several lines on standard output; control characters are escaped."""
    click.echo(_encodable(visible_lines(text), sys.stdout))


def plain(line: Line) -> str:
    """Return the text of a line without its styles."""
    return "".join(text for text, _ in map(_pair, line))


def rich_line(line: Line) -> "Text":
    """Return a line for rich, which decides itself whether to use colours."""
    from rich.text import Text

    return Text.assemble(*((printable(text), style) for text, style in map(_pair, line)))


def _pair(piece: Piece) -> tuple[str, str]:
    return (piece, "") if isinstance(piece, str) else piece


def drop_output() -> None:
    """Discard all further standard output, because nobody reads it any more."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def note(text: str) -> None:
    """Print a line for people on stderr, for commands whose standard output is read by programs."""
    click.echo(_encodable(visible(text), sys.stderr), err=True)


_PLAIN = str.maketrans(
    {"–": "-", "—": "-", "→": "->", "×": "x", "…": "...", "ᾱ": "alpha_bar", "β": "beta", "·": "-"}
    | {"↑": "up", "↓": "down", "←": "left", "⇈": "now"}
)


def printable(text: str) -> str:
    """Return `text` as a line for standard output: control characters escaped, in characters that its encoding has."""
    return _encodable(visible(text), sys.stdout)


def _encodable(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    return text


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] | set[str] = frozenset()
) -> None:
    """Print rows under headings: with rich on a terminal, as aligned plain text elsewhere. `right`: columns of
    numbers.
    """
    if sys.stdout.isatty():
        _rich_table(columns, rows, right)
        return
    columns = [visible(column) for column in columns]
    rows = [[visible(cell) for cell in row] for row in rows]
    widths = [max(len(c), *(len(row[i]) for row in rows), 0) for i, c in enumerate(columns)]
    for row in [columns, *rows]:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        say("  ".join(cells).rstrip())


def _rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[str] | set[str]
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD if _can_write("━") else box.ASCII2, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(printable(column), justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # rich uses COLUMNS, whatever its value; with too few columns it would leave cells out.
    width = max(TABLE_LEAST, shutil.get_terminal_size((80, 24)).columns)
    Console(highlight=False, width=width).print(table)


def _styled(text: str, style: str) -> str:
    """Return `text` for standard output: plain if it is not a terminal, and without colours if NO_COLOR is set."""
    if not style or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return text
    if style == "bold":
        return click.style(text, bold=True)
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=style)


def print_facts(pairs: Sequence[tuple[str, str]]) -> None:
    """Print aligned lines "name value"; empty values are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name.ljust(width)}  {value}")


def confirm(question: str, yes: bool) -> None:
    """Ask before deleting something. Raises UsageError if standard input is not a terminal; aborts on no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} — cannot ask, because standard input is not a terminal", "use --yes")
    click.confirm(_encodable(visible(question), sys.stderr), abort=True, err=True)
