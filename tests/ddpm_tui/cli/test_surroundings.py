"""What a terminal, a locale, a home folder and time do to a command: it still says what it has to say."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from tests.ddpm_tui.cli.conftest import Cli
from tests.engine.service.support import Service
from tests.torchless import trained_run

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]


def on_a_terminal(home: Home, *arguments: str, **variables: str) -> tuple[int, str]:
    """The command on a pty of its own; its exit code and all it wrote, in the locale's encoding."""
    main, other = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ddpm_tui.cli.main", *arguments],
        env={**environment, "DDPM_HOME": str(home.root), "TERM": "xterm-256color", **variables},
        stdin=other, stdout=other, stderr=other, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    os.close(other)
    said = b""
    try:
        while part := os.read(main, 1 << 16):
            said += part
    except OSError:  # the other end is closed
        pass
    os.close(main)
    return process.wait(timeout=30), said.decode("latin-1" if "LOCPATH" in variables else "utf-8")


@pytest.mark.parametrize("columns", ["0", "-5", "abc", "5", "100"])
def test_a_table_is_there_whatever_columns_says(home: Home, columns: str) -> None:
    trained_run(home, "cats", 1)
    code, said = on_a_terminal(home, "runs", "list", COLUMNS=columns)
    assert code == 0
    assert "cats" in said


def test_no_colour_where_it_is_not_wanted(home: Home) -> None:
    coloured = on_a_terminal(home, "doctor", DDPM_WORKER_COMMAND='["false"]')[1]
    assert "\x1b[32m" in coloured
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        said = on_a_terminal(home, "doctor", DDPM_WORKER_COMMAND='["false"]', **variables)[1]
        assert "\x1b[3" not in said
        assert "      ok  " in said


@pytest.fixture(scope="session")
def latin_1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a real Latin-1 locale."""
    if shutil.which("localedef") is None:
        pytest.skip("no localedef here")
    folder = tmp_path_factory.mktemp("locales")
    made = subprocess.run(
        ["localedef", "-i", "en_US", "-f", "ISO-8859-1", str(folder / "en_US.ISO-8859-1")],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("the sources of locales are not installed")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1"}


def test_a_latin_1_locale(home: Home, latin_1: dict[str, str]) -> None:
    trained_run(home, "cats", 1)
    code, said = on_a_terminal(home, "runs", "list", **latin_1)
    assert code == 0
    assert "cats" in said
    assert "+--" in said, "borders that this encoding has"
    code, said = on_a_terminal(home, "profiles", "validate", "celeba32-paper", **latin_1)
    assert code == 0
    assert "alpha_bar_T" in said
    code, said = on_a_terminal(home, "keys", **latin_1)
    assert code == 0
    assert "up, k" in said
    code, said = on_a_terminal(home, "runs", "show", "catz", **latin_1)
    assert code == 1
    assert "error: no run named 'catz' - did you mean 'cats'?" in said


def test_the_queue_in_an_encoding_without_arrows(home: Home) -> None:
    service = Service(home, PYTHONIOENCODING="latin-1:strict")
    try:
        service.request("hold_queue", on=True)
        said = service.command_line("queue", "train", "demo", "--priority", "now").stdout
        assert "epochs 0 -> 2" in said
        assert "now train demo-1" in service.command_line("queue", "list").stdout
        service.command_line("queue", "pause", "1")
        assert "queued -> paused" in service.command_line("queue", "show", "1").stdout
        assert service.command_line("engine", "stop").stderr == "Stopping...\n"
    finally:
        service.close()


@pytest.mark.parametrize("arguments", ["runs list", "queue list", "train demo", "profiles new x"])
def test_a_home_that_is_a_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DDPM_HOME", str(tmp_path / "file"))
    ended = cli(*arguments.split())
    assert ended.code == 1
    assert ended.error == (
        f"error: DDPM_HOME is {tmp_path / 'file'}, which is not a folder — set it to a folder you own"
    )


@pytest.mark.parametrize("arguments", ["queue list", "train demo", "profiles new x", "data add ."])
@pytest.mark.parametrize("where", ["file/home", "/proc/home"])
def test_a_home_that_cannot_be_made(
    cli: Cli, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, where: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(pictures)
    monkeypatch.setenv("DDPM_HOME", str(tmp_path / where))
    ended = cli(*arguments.split())
    assert ended.code == 1
    assert ended.error.startswith(f"error: cannot write to {tmp_path / where} (")
    assert ended.error.endswith("set DDPM_HOME to a folder you own, on a disk with room")


def test_a_relative_home_is_below_where_the_command_is_given(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DDPM_HOME", "here")
    assert cli("profiles", "new", "mine").code == 0
    assert (tmp_path / "here" / "profiles" / "mine.toml").exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cli("profiles", "show", "mine").code == 1


DAMAGED = {
    "a torn last line": lambda text: text[:-9],
    "a line of garbage": lambda text: text.replace("\n", "\n\x00\xff garbage {\n", 1),
    "another type": lambda text: '[1, 2]\n"epoch"\n3\n' + text,
    "words for numbers": lambda text: '{"kind":"epoch","step":"seven","epoch":null}\n' + text,
    "no kind": lambda text: '{"step":3}\n{}\n' + text,
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_run_is_shown_also_where_its_metrics_are_damaged(home: Home, cli: Cli, damage: str) -> None:
    run = trained_run(home, "cats", 3)
    run.metrics.write_bytes(DAMAGED[damage](run.metrics.read_text()).encode("latin-1"))
    for arguments in (("runs", "show", "cats"), ("runs", "show", "cats", "--json"), ("runs", "list")):
        ended = cli(*arguments)
        assert ended.code == 0
        assert "Traceback" not in ended.err
        assert ended.err.count("\n") <= 1
        assert "cats" in ended.out
    assert cli("runs", "compare", "cats", "cats").code == 0


def test_a_run_whose_metrics_are_a_folder(home: Home, cli: Cli) -> None:
    run = trained_run(home, "cats", 1)
    run.metrics.unlink()
    run.metrics.mkdir()
    assert str(run.metrics) in cli("runs", "show", "cats").error
