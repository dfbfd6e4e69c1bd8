"""The entry: help at once and true, errors in one line, exit codes, a terminal that is not there."""

import io
import os
import pty
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ddpm_tui.cli import main
from ddpm_tui.cli.lazy import Lazy, LazyGroup
from engine.base.errors import BusyError, DamagedError, UsageError, UserError
from tests.ddpm_tui.cli.conftest import Cli

PRESENT = {name: lazy for section in main.SECTIONS.values() for name, lazy in section.items() if lazy.present}


@pytest.mark.parametrize("name", PRESENT)
def test_the_table_of_help_lines_agrees_with_the_commands(name: str) -> None:
    command = PRESENT[name].load()
    assert isinstance(command, click.Command)
    assert command.name == name
    assert PRESENT[name].help.endswith(".")
    assert len(PRESENT[name].help) <= 70, "one line at 80 columns"
    assert command.help, "a command says what it does"


def test_every_command_and_option_says_what_it_is() -> None:
    silent = []
    for name, lazy in PRESENT.items():
        command = lazy.load()
        verbs = command.commands.items() if isinstance(command, click.Group) else [(name, command)]
        for verb, found in verbs:
            silent += [f"{name} {verb}"] if not found.help else []
    assert silent == []


@pytest.mark.parametrize("name", PRESENT)
def test_every_help_can_be_shown(cli: Cli, name: str) -> None:
    shown = cli(name, "--help")
    assert (shown.code, shown.err) == (0, "")
    command = PRESENT[name].load()
    for verb in command.commands if isinstance(command, click.Group) else ():
        assert cli(name, verb, "--help").out.startswith(f"Usage: ddpm-tui {name} {verb}")


@pytest.mark.parametrize("group", ["queue", "runs", "checkpoints", "profiles", "data", "engine", "study"])
def test_no_line_of_help_is_cut_off(cli: Cli, group: str) -> None:
    assert "..." not in cli(group, "--help").out.partition("Commands:")[2]


def test_help_and_version(cli: Cli) -> None:
    shown = cli("--help")
    assert shown.code == 0
    for name in PRESENT:
        assert f"\n  {name} " in shown.out
    assert cli("-h").out == shown.out
    assert cli("--version").out.startswith("ddpm-tui ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "error: ddpm-tui has no command 'trian' — did you mean 'train'?"),
        (["xyzzy"], "error: ddpm-tui has no command 'xyzzy' — see `ddpm-tui --help`"),
        (["engine", "strat"], "error: ddpm-tui engine has no command 'strat' — did you mean 'start'?"),
        (["runs", "lst"], "error: ddpm-tui runs has no command 'lst' — did you mean 'list'?"),
        (["train", "demo", "--epoch", "3"], "error: no such option '--epoch'"),
        (["train", "demo", "--to-epoch", "many"], "error: invalid value for '--to-epoch'"),
        (["train", "demo", "--to-epoch", "0"], "error: invalid value for '--to-epoch'"),
        (["runs", "show"], "error: missing argument"),
        (
            ["sample", "x", "--device", "tpu"],
            "error: there is no device 'tpu' — use auto, cpu, cuda or cuda:N",
        ),
        (["train"], "error: train what? — a profile or a run"),
        (
            ["train", "demo", "--chunks", "1", "--to-epoch", "2"],
            "error: --to-epoch and --chunks exclude each other",
        ),
    ],
)
def test_misuse_is_one_line_and_code_2(cli: Cli, arguments: list[str], line: str) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.error.startswith(line)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("it is\nbroken", "mend it"), 1, "error: it is broken — mend it"),
        (DamagedError("torn"), 1, "error: torn"),
        (BusyError("busy"), 1, "error: busy"),
        (UsageError("no"), 2, "error: no"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "error: /x: no such file or directory"),
        (
            PermissionError(13, "Permission denied", "/x"),
            1,
            "error: /x: permission denied — `ddpm-tui doctor` says how to fix it",
        ),
        (
            OSError(30, "Read-only file system", "/x"),
            1,
            "error: /x: read-only file system — `ddpm-tui doctor` says how to fix it",
        ),
    ],
)
def test_what_a_command_raises(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, line: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(main, "open_screen", fail)
    ended = cli()
    assert ended.code == code
    assert ended.error == line


def test_ctrl_c_is_quiet(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "open_screen", interrupted)
    ended = cli()
    assert ended.code == 130
    assert ended.err.strip() == ""


def test_a_bug_shows_its_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division")

    monkeypatch.setattr(main, "open_screen", bug)
    with pytest.raises(ZeroDivisionError):
        cli()


def test_the_screen_needs_a_terminal(cli: Cli) -> None:
    ended = cli()
    assert ended.code == 1
    assert "the screen needs a terminal" in ended.error
    assert "ssh -t" in ended.error


def test_the_screen_needs_a_cursor_that_moves(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("ddpm_tui.tui.guard.guarded", lambda screen: 0)
    monkeypatch.setattr("sys.stdin", Tty())
    monkeypatch.setattr("sys.stdout", Tty())
    monkeypatch.setenv("TERM", "dumb")
    ended = cli()
    assert ended.code == 1
    assert "according to TERM=dumb this one cannot" in ended.error
    monkeypatch.setenv("TERM", "xterm")
    assert cli().code == 0


def test_a_missing_module_is_not_offered() -> None:
    group = LazyGroup("x", sections={"A": {"gone": Lazy("ddpm_tui.cli.gone_for_good", "gone", "Nothing.")}})
    assert group.list_commands(click.Context(group)) == []
    with pytest.raises(UsageError, match="no command 'gone'"):
        group.resolve_command(click.Context(group), ["gone"])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ddpm_tui", *arguments]


@pytest.mark.parametrize("module", ["click", "ddpm_tui.cli.runs"])
def test_an_interrupt_while_modules_are_imported_is_quiet(tmp_path: Path, module: str) -> None:
    """Ctrl-C at the first moments, when no command is there to hear it: `module` presses it as it is imported."""
    (tmp_path / "sitecustomize.py").write_text(PRESSED.format(module=module))
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[3])])
    environment = {**os.environ, "DDPM_HOME": str(tmp_path), "PYTHONPATH": path}
    done = subprocess.run(
        command("runs", "list"), env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "")


PRESSED = """
import os, signal, sys
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Pressed())
"""


def test_what_is_imported_before_ctrl_c_is_waited_for() -> None:
    """Each of them would be a moment in which it shows a traceback."""
    known = (
        "import sys; before = set(sys.modules); import ddpm_tui.__main__; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", known], capture_output=True, text=True, timeout=60)
    assert set(done.stdout.split()) == {"ddpm_tui", "ddpm_tui.__main__"}


@pytest.mark.parametrize(
    "arguments", [["profiles", "show", "celeba32-paper", "--json"], ["profiles", "list"]]
)
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, arguments: list[str]) -> None:
    """`ddpm-tui … | head -1`."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command(*arguments),
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "DDPM_HOME": str(tmp_path)},
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr.decode()) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["profiles", "list"], ["profiles", "show", "demo", "--json"]]
)
def test_a_full_disk_below_standard_output_is_one_line(tmp_path: Path, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command(*arguments),
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "DDPM_HOME": str(tmp_path)},
            timeout=60,
        )
    assert done.returncode == 73
    assert done.stderr.decode() == "error: standard output: no space left on device\n"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-"])
def test_closed_streams_are_nobody_listening(tmp_path: Path, closed: str) -> None:
    environment = {**os.environ, "DDPM_HOME": str(tmp_path)}
    line = f"{shlex.join(command('profiles', 'list'))} {closed}"
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, env=environment, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")


@pytest.mark.parametrize("group", ["queue", "engine", "runs"])
def test_a_group_without_a_command_shows_its_help(cli: Cli, group: str) -> None:
    ended = cli(group)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == cli(group, "--help").out


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "latin1"])
def test_words_fit_the_encoding(tmp_path: Path, locale: str) -> None:
    """A profile's warning has ᾱ in it, its description ×; neither may end in a traceback."""
    encoding = {"C": "ascii", "C.UTF-8": "utf-8", "latin1": "latin-1"}[locale]
    environment = {**os.environ, "DDPM_HOME": str(tmp_path), "PYTHONIOENCODING": f"{encoding}:strict"}
    for arguments in (
        ["profiles", "list"],
        ["profiles", "validate"],
        ["profiles", "show", "celeba32-paper"],
        ["xyzzy"],
    ):
        done = subprocess.run(command(*arguments), capture_output=True, env=environment, timeout=60)
        assert b"Traceback" not in done.stderr, done.stderr.decode(encoding)
    assert (
        b"celeba32"
        in subprocess.run(command("profiles", "list"), capture_output=True, env=environment).stdout
    )


def test_a_table_on_a_terminal(tmp_path: Path) -> None:
    """On a pseudo-terminal rich draws it; the words are the same."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command("profiles", "list"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "DDPM_HOME": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "120"},
    )
    os.close(theirs)
    content = b""
    try:
        while chunk := os.read(ours, 4096):
            content += chunk
    except OSError:
        pass  # the other end is closed: Linux says EIO
    os.close(ours)
    assert process.wait(30) == 0
    assert b"\x1b[1m" in content, "headings are bold"
    assert b"celeba32-paper" in content
