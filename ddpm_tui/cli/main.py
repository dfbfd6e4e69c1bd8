"""The entry point `ddpm-tui`: the table of commands, and the only place that turns errors into a line and an exit
code.

Imports only click and the error classes; the commands import everything else.
"""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NoReturn

import click

from ddpm_tui.cli.lazy import Lazy, LazyGroup
from engine.base.errors import DdpmError, DiskFullError, UserError
from engine.base.files import is_disk_full
from engine.base.scarcity import is_scarce, scarce

_CLI = "ddpm_tui.cli."

UNWRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Error numbers of a failed write to a standard stream; such an error names no file."""

SECTIONS: dict[str, dict[str, Lazy]] = {
    "Train and sample": {
        "demo": Lazy(_CLI + "demo", "demo", "Train on built-in faces: a few minutes on a CPU."),
        "train": Lazy(
            _CLI + "train", "train", "Train a run in the foreground, from a profile or continuing a run."
        ),
        "sample": Lazy(_CLI + "sample", "sample", "Draw pictures from a checkpoint."),
        "edit": Lazy(_CLI + "edit", "edit", "Edit pictures: sweep an attribute, morph, inpaint, vary."),
        "evaluate": Lazy(
            _CLI + "evaluate", "evaluate", "Evaluate a checkpoint with the measures of quality."
        ),
        "queue": Lazy(_CLI + "queue", "queue", "Background jobs that survive logout, crashes and reboots."),
    },
    "Manage": {
        "runs": Lazy(_CLI + "runs", "runs", "Runs: list, show, compare, metrics, branch, rename and more."),
        "checkpoints": Lazy(
            _CLI + "checkpoints", "checkpoints", "Checkpoints: list, verify, tag, prune, export and more."
        ),
        "profiles": Lazy(_CLI + "profiles", "profiles", "Profiles: the settings of runs."),
        "data": Lazy(_CLI + "data", "data", "Data sets: add a folder or zip of pictures, list, verify."),
        "trash": Lazy(_CLI + "trash", "trash", "Deleted things: list, restore, purge."),
    },
    "Experiments": {
        "study": Lazy(_CLI + "study", "study", "Experiments: those of the paper, and your own."),
        "figure": Lazy(_CLI + "figure", "figure", "Figures for papers, from your runs."),
        "bench": Lazy(_CLI + "bench", "bench", "Measure this machine: images/s, memory, share of peak."),
    },
    "System": {
        "engine": Lazy(_CLI + "engine", "engine", "The background service behind the queue."),
        "doctor": Lazy(_CLI + "doctor", "doctor", "Check this machine, terminal and disk."),
        "keys": Lazy(_CLI + "keys", "keys", "List the keys of the screen."),
        "completion": Lazy(
            _CLI + "completion", "completion", "Print shell completion for bash, zsh or fish."
        ),
    },
}


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from engine.base.version import VERSION

        click.echo(f"ddpm-tui {VERSION}")
        ctx.exit()


class _Commands(LazyGroup):
    """The group. click exits with 1 if the reader of the output has gone (`| head`); here this is not a failure."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _reader_may_go():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_go():
            return super().invoke(ctx)


@contextlib.contextmanager
def _reader_may_go() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _drop_output()
        raise click.exceptions.Exit(0) from None


@click.group(
    cls=_Commands,
    sections=SECTIONS,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="State is kept in $DDPM_HOME. Errors are one line on stderr. Exit codes: 0 success, 1 failure, 2 invalid "
    "command line, 73 disk full, 75 stopped on request (the same command continues), 130 stopped at once.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version."
)
@click.option("--low-bandwidth", is_flag=True, help="For slow connections: update the screen less often.")
@click.option("--no-mouse", is_flag=True, help="Do not use the mouse, so that the terminal can select text.")
@click.pass_context
def cli(ctx: click.Context, low_bandwidth: bool, no_mouse: bool) -> None:
    """Train small diffusion models on a GPU box from the terminal.

    Without a command, open the screen, with live curves, the queue and the faces.
    """
    if ctx.invoked_subcommand is None:
        open_screen(low_bandwidth, mouse=not no_mouse)


def open_screen(low_bandwidth: bool = False, mouse: bool = True) -> None:
    """Start the terminal app. Raises UserError if it cannot start here."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UserError(
            "the screen needs a terminal, but standard input or output is not one",
            "over ssh use `ssh -t`; in scripts use the commands: see ddpm-tui --help",
        )
    if (term := os.environ.get("TERM")) in ("dumb", "unknown"):
        raise UserError(
            f"the screen needs a terminal that can move its cursor, but according to TERM={term} this one cannot",
            "if it can, use TERM=xterm ddpm-tui; otherwise use the commands: see ddpm-tui --help",
        )
    from ddpm_tui.tui.guard import guarded

    def screen() -> int:
        from ddpm_tui.tui.start import run as run_app

        return run_app(low_bandwidth=low_bandwidth, mouse=mouse)

    click.get_current_context().exit(guarded(screen))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. Only bugs raise."""
    try:
        result = cli.main(
            args=None if arguments is None else list(arguments), prog_name="ddpm-tui", standalone_mode=False
        )
        sys.stdout.flush()
    except DdpmError as error:
        return _complain(error.what, error.hint, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "ddpm-tui"
        return _complain(_lower(error.format_message()), f"see `{where} --help`", 2)
    except click.ClickException as error:
        return _complain(_lower(error.format_message()), None, error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (OSError, MemoryError, RuntimeError, ImportError) as error:
        if is_scarce(error):
            short = scarce(error)
            return _complain(short.what, short.hint, 1)
        if not isinstance(error, OSError):
            raise
        full = is_disk_full(error)
        if error.filename is not None:
            if full:
                return _complain(
                    f"no room to write {error.filename}",
                    "free some space",
                    DiskFullError.exit_code,
                )
            not_ours = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            hint = "`ddpm-tui doctor` says how to fix it" if not_ours else None
            return _complain(f"{error.filename}: {(error.strerror or str(error)).lower()}", hint, 1)
        if isinstance(error, BrokenPipeError):  # raised while flushing
            _drop_output()
            return 0
        if error.errno not in UNWRITTEN:
            raise
        _drop_output()
        said = f"standard output: {os.strerror(error.errno).lower()}"
        return _complain(said, None, DiskFullError.exit_code if full else 1)
    except Exception as error:
        if not is_disk_full(error):
            raise
        return _complain(f"no room on the disk ({error})", "free some space", DiskFullError.exit_code)
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Run the console script."""
    _open_closed_streams()
    sys.excepthook = _say_fault
    sys.exit(run())


def _say_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a bug with all details, with control characters escaped."""
    import traceback

    from engine.base.text import visible_lines

    with contextlib.suppress(OSError):
        click.echo(visible_lines("".join(traceback.format_exception(kind, error, trace)).rstrip()), err=True)


def _open_closed_streams() -> None:
    """Open closed standard streams: after `>&-` the next opened file would otherwise become standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - for the process's life


def _complain(what: str, hint: str | None, code: int) -> int:
    line = re.sub(r"\s*\n\s*", " ", f"error: {what}{f' — {hint}' if hint else ''}")
    with contextlib.suppress(OSError):  # the write to stderr itself may fail
        try:
            from ddpm_tui.cli.common import note
        except (
            OSError,
            ImportError,
            MemoryError,
        ):  # no file can be opened, not even a module of this program
            os.write(2, f"{line}\n".encode())
        else:
            note(line)
    return code


def _drop_output() -> None:
    from ddpm_tui.cli.common import drop_output

    drop_output()


def _lower(message: str) -> str:
    """Return click's message as one line in the form of our own messages."""
    message = " ".join(message.split()).rstrip(".")
    return message[:1].lower() + message[1:]


if __name__ == "__main__":
    main()
