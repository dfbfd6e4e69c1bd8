"""Every command on homes whose texts are poisoned: nothing that the terminal would obey gets out of any."""

import ast
import contextlib
import itertools
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ddpm_tui.cli.main import cli as program
from ddpm_tui.cli.main import run
from tests.engine.service.support import Service
from tests.poisoned import HARMFUL, POISON, poisoned_home

ROOT = Path(__file__).parents[3]

OUR_OWN = re.compile(r"\x1b\[[0-9;]*m|\x1b\[(?:1A|2K|\?25[lh])|\r(?!q)")
"""What the program itself writes: looks, the cursor of a bar, and the beginning of a line."""

WORDS = ("cats", "cats@latest", "dots", "mine", "1", "2", POISON, f"./{POISON}")
"""What arguments are tried with; an export's folder comes from the home."""

NOT_TRIED = {
    "demo",  # is `train`
    "bench",  # shows figures of this machine alone
    "queue wait", "engine start", "engine stop", "engine restart",
}  # fmt: skip

WORKER = """
import sys, time
from pathlib import Path
from engine.base.folders import JobFolder
from engine.jobs.files import Progress, Result, read_spec, write_progress, write_result
folder = JobFolder(Path(sys.argv[1]))
poison = {poison!r}
write_progress(folder, Progress(poison, 1, 10, poison, text=poison, time=time.time()))
print(f"2026-01-01 00:00:00 {{poison}}\\n{{poison}}", flush=True)
if read_spec(folder).kind == "train":
    sys.exit(3)
write_result(folder, Result("failed", 1, poison, poison))
sys.exit(1)
"""


class Pty:
    """A terminal in place of standard output and error, and all that came to it."""

    def __init__(self) -> None:
        self._main, self._other = pty.openpty()
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        try:
            while part := os.read(self._main, 1 << 16):
                self._parts.append(part)
        except OSError:  # the other end is closed
            pass

    def __enter__(self) -> "Pty":
        self._reader.start()
        self._before = [os.dup(1), os.dup(2)]
        for number in (1, 2):
            os.dup2(self._other, number)
        self._streams = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = open(self._other, "w", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.close()
        sys.stdout, sys.stderr = self._streams
        for number, before in zip((1, 2), self._before, strict=True):
            os.dup2(before, number)
            os.close(before)
        self._reader.join(60)
        os.close(self._main)
        self.said = b"".join(self._parts).decode("utf-8", "surrogateescape")


def on_a_terminal(*arguments: str) -> str:
    with Pty() as terminal, contextlib.suppress(SystemExit):
        run(arguments)
    return terminal.said


def leaves(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def calls(name: str, command: click.Command, words: tuple[str, ...]) -> Iterator[list[str]]:
    """The command with every word for all its arguments, and each time with --json where it has that."""
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = {flag for p in command.params if isinstance(p, click.Option) for flag in p.opts}
    tails = [[]] if not arguments else [[word] * len(arguments) for word in words]
    if arguments and not arguments[0].required:
        tails.insert(0, [])
    for tail, as_json in itertools.product(tails, (False, True)):
        if as_json and "--json" not in options:
            continue
        more = ["--json"] if as_json else []
        if "--yes" in options:
            more.append("--yes")
        yield [*name.split(), *more, "--", *tail] if tail else [*name.split(), *more]


@pytest.mark.parametrize("every", [False, True], ids=["taken as it is", "damaged by it"])
def test_no_command_lets_control_characters_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115 - nobody can be asked
    home = poisoned_home(tmp_path / "home", every)
    service = Service(home, [sys.executable, "-c", WORKER.format(poison=POISON)])
    words = (*WORDS, str(home.root / "ex"))
    tried, poisoned = 0, set()
    leaving = ("delete", "remove", "restore", "purge", "rename", "prune", "move", "cancel")
    every_leaf = sorted(leaves(program), key=lambda leaf: leaf[0].split()[-1] in leaving)
    try:
        with service.surroundings():
            for name, command in every_leaf:
                if name in NOT_TRIED:
                    continue
                for call in calls(name, command, words):
                    said = on_a_terminal(*call)
                    tried += 1
                    left = OUR_OWN.sub("", said)
                    assert not (found := HARMFUL.search(left)), (
                        call,
                        left[max(0, found.start() - 200) :][:400],
                    )
                    assert "\tz" not in left, ("a text's end of line got out", call, left)
                    if "PWNED" in left:
                        poisoned.add(name)
                    if "--json" in call and left.startswith(("{", "[")):
                        document, _ = json.JSONDecoder().raw_decode(left)
                        assert document is not None
    finally:
        service.close()
    assert tried > 300
    assert len(poisoned) > 25, sorted(poisoned)


def test_a_followed_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written in pieces, one of which ends within a character."""
    from ddpm_tui.cli.queue_watch import follow_file

    log = tmp_path / "log"
    log.write_text(f"old {POISON}\n")
    pieces = iter([b"caf\xc3", b"\xa9 \x1b]0;PWNED\x07\n50 %\r", b"100 %\r\n", b"", "\x9bend".encode()])

    def over() -> bool:
        piece = next(pieces, None)
        with log.open("ab") as file:
            file.write(piece or b"")
        return piece is None

    monkeypatch.setattr("ddpm_tui.cli.queue_watch.ASK_S", 0.0)
    with Pty() as terminal:
        follow_file(log, 50, over)
    lines = terminal.said.replace("\r\n", "\n").splitlines()
    assert lines[-4:] == ["café \\x1b]0;PWNED\\x07", "50 %", "100 %", "\\x9bend"]
    assert not any(HARMFUL.search(line) for line in lines)


def test_a_bug_says_no_control_character(tmp_path: Path) -> None:
    code = f"import sys; from ddpm_tui.cli import main\nmain.run = lambda: int({POISON!r})\nmain.main()"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert ended.returncode == 1
    assert "ValueError" in ended.stderr
    assert not HARMFUL.search(ended.stderr)


def test_one_way_out() -> None:
    """Nothing but `common` writes to the terminal, so that one filter is enough."""
    allowed = {
        "common.py": None,
        "completion.py": "our own script",
        "main.py": "help, and what main() filters",
    }
    for path in (ROOT / "ddpm_tui" / "cli").glob("*.py"):
        if path.name in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"), (
                    path.name, node.lineno,
                )  # fmt: skip
