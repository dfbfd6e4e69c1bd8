"""The real app in a real pty, with a real engine and worker training real (small) networks."""

import contextlib
import os
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.base.home import Home
from engine.client.sync import Client, ensure_engine
from engine.runs.checkpoints import list_checkpoints
from engine.service.launchers.local import process_of
from tests.e2e.tui_home import make_home, stop_engine
from tests.e2e.tui_terminal import PATIENCE_S, PROGRAM, PtyApp
from tests.engine.service.support import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

# Alternate screen, mouse, focus reports, bracketed paste, hidden cursor: nothing of it may stay on.
LEFT_BEHIND = {1049, 1000, 1002, 1003, 1006, 1015, 1004, 2004}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = make_home(tmp_path / "home", chunk=40, preview=10)
    yield home
    stop_engine(home)


@pytest.fixture
def brief(tmp_path: Path) -> Iterator[Home]:
    """Chunks that take some seconds."""
    home = make_home(tmp_path / "home", chunk=20, preview=5)
    yield home
    stop_engine(home)


def test_the_story_by_keyboard_at_80_by_24(brief: Home) -> None:
    home = brief
    with PtyApp(home.root, size=(80, 24)) as app:
        app.wait("Nothing has been trained here yet")
        # A profile is chosen; what it costs is counted as the cursor rests on it, its speed measured on demand.
        app.press("5")
        app.wait("celeba64-paper")
        app.press("G")
        app.wait("tiny, yours", "MMAC a picture", "m measures the speed here")
        app.press("m")
        app.wait("images/s")
        # Two chunks of it: said before it is done.
        app.press("a")
        app.wait("Queue training", "new tiny")
        app.press("\t", "\x7f", "2")
        app.wait("tiny-1: a new run from profile tiny, epochs 0 → 40 (2 chunks")
        app.press("\r")
        wait_for(lambda: list(home.run("tiny-1").previews.glob("*.png")), timeout=PATIENCE_S)
        with standing_still(home):
            # Watched.
            app.press("1")
            app.wait("train tiny-1 to epoch 40", "loss of tiny-1", "faces after epoch")
            # Sampling from the newest checkpoint, twice; the order changed.
            app.press("2")
            for _ in range(2):
                app.press("s")
                app.wait("Queue drawing pictures", "tiny-1@latest")
                app.press("\r")
                app.wait("queued as job")
            wait_for(lambda: len(waiting(home)) == 2, what="both wait")
            before = waiting(home)
            app.wait(f"job {int(before[1])} ")
            app.press("K")
            app.wait(f"job {int(before[1])} is earlier")
            assert waiting(home) == before[::-1]
            # Paused: the worker checkpoints and gives the device back, so the sampling goes on.
            app.press("1")
            app.wait("● train tiny-1 to epoch 40", "faces after epoch")
            app.press(" ")
            app.wait("pauses after its checkpoint")
        wait_for_states(home, "sample", ["done", "done"])
        assert states_of(home, "train") == ["paused"]
        # Resumed: the panel names the key.
        app.wait("train tiny-1 to epoch 40  paused", "space resumes")
        app.press(" ")
        app.wait(lambda text: "train tiny-1 to epoch 40  paused" not in text)
        # The samples opened, one large, its denoising scrubbed.
        app.press("4")
        app.wait("tiny-1@", "dpmpp 4", "of 64, page 1/")
        app.press("\r")
        end = app.wait("5/5")
        app.press("h", "h")
        app.wait("3/5")
        assert end != app.text
        # Two checkpoints marked and compared from the same seeds: curves, profiles, faces.
        app.press("3")
        app.wait("held out", "tiny-1")
        app.press("G", " ")
        app.wait("marked tiny-1@4")
        app.press("k", " ")
        app.wait(lambda text: "marked tiny-1@4, tiny-1@" in text)
        app.press("c")
        app.wait("■ tiny-1@4 ", "faces")
        # One is branched: a tenth of the learning rate is put forward.
        app.press("3")
        app.wait("held out")
        app.press("b")
        app.wait("Branch from tiny-1@", "tiny-2: optim.lr: 0.002 → 0.0002")
        app.press("\r")
        app.wait("a trains it")
        app.press("a")
        app.wait("Queue training", "tiny-2: epochs")
        app.press("\r")
        app.wait("queued as job")
        wait_for_states(home, "train", ["done", "done"])
        # Both curves over each other.
        app.press("6")
        app.wait("■ tiny-1@4 ")
        app.press("x")
        app.wait(lambda text: "■" not in text)
        app.press("g", " ", "j", " ")
        app.wait("■ tiny-1", "■ tiny-2")
        for _ in range(5):
            if "━━ tiny-2" in app.text:
                break
            app.press("v", pause=0.8)
        app.wait("━━ tiny-1", "━━ tiny-2")
        # The better one tagged, the other deleted, and brought back.
        app.press("3")
        app.wait("tiny-2 from tiny-1@")
        app.press("g", "t")
        app.wait("Tag tiny-2@")
        app.press(*"better", "\r", pause=0.1)
        app.wait("@better")
        count = len(list_checkpoints(home.run("tiny-2")))
        app.press("G", "d")
        app.wait("is in the trash; u brings it back")
        assert len(list_checkpoints(home.run("tiny-2"))) == count - 1
        app.press("u")
        app.wait("undone: tiny-2@")
        assert len(list_checkpoints(home.run("tiny-2"))) == count
        assert app.quit() == 0
        assert not app.terminal.modes & LEFT_BEHIND
    log = home.root / "tui.log"
    assert not log.exists() or "Traceback" not in log.read_text()


@contextlib.contextmanager
def standing_still(home: Home) -> Iterator[None]:
    """The running worker does nothing inside: what is done to it meanwhile need not be quick."""
    with Client(home) as client:
        (handle,) = (job["handle"] for job in client.request("list")["jobs"] if job["state"] == "running")
    pid, _ = process_of(handle)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def states_of(home: Home, kind: str) -> list[str]:
    """Of the jobs of that kind, by their numbers."""
    with Client(home) as client:
        jobs = client.request("list", all=True)["jobs"]
    return [str(job["state"]) for job in sorted(jobs, key=lambda j: j["id"]) if job["kind"] == kind]


def waiting(home: Home) -> list[str]:
    """Ids of the queued jobs in their order."""
    with Client(home) as client:
        return [job["id"] for job in client.request("list")["jobs"] if job["state"] == "queued"]


def wait_for_states(home: Home, kind: str, states: list[str], timeout: float = PATIENCE_S) -> None:
    end = time.monotonic() + timeout
    while (found := states_of(home, kind)) != states:
        assert time.monotonic() < end, f"{kind} jobs are {found}, not {states}"
        time.sleep(0.2)


def state_of(home: Home, kind: str) -> str:
    """Of the only job of that kind, as the engine says."""
    with Client(home) as client:
        (job,) = (job for job in client.request("list", all=True)["jobs"] if job["kind"] == kind)
    return str(job["state"])


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_app_that_is_asked_to_end_leaves_the_terminal_clean(home: Home, number: int) -> None:
    with PtyApp(home.root) as app:
        before = termios.tcgetattr(app.fd)
        app.wait("Nothing has been trained here yet")
        assert termios.tcgetattr(app.fd) != before, "the terminal is the app's"
        os.kill(app.pid, number)
        assert app.status() == 128 + number
        assert not app.terminal.modes & LEFT_BEHIND
        assert termios.tcgetattr(app.fd) == before


def test_a_killed_app_loses_nothing_and_a_new_one_shows_the_same(home: Home) -> None:
    with ensure_engine(home) as client:
        client.request("train", target="tiny", to_epoch=4000)
    with PtyApp(home.root) as app:
        before = termios.tcgetattr(app.fd)
        app.wait("train tiny-1 to epoch 4000", "loss of tiny-1")
        os.kill(app.screen_pid, signal.SIGKILL)
        assert app.status() == 128 + signal.SIGKILL
        assert "the screen was stopped by SIGKILL" in app.text
        assert not app.terminal.modes & LEFT_BEHIND
        assert termios.tcgetattr(app.fd) == before
    assert state_of(home, "train") == "running"
    with PtyApp(home.root) as app:
        app.wait("train tiny-1 to epoch 4000", "running", "loss of tiny-1")
        assert app.quit() == 0
    assert state_of(home, "train") == "running"


@pytest.mark.usefixtures("forked_workers")
def test_an_app_without_its_guard_ends(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    # Below a shell: the end of what leads the session would hang up and end everything anyway.
    shell = ["sh", "-c", f"{shlex.join(PROGRAM)}; echo guard $?; sleep 60"]
    monkeypatch.setattr("tests.e2e.tui_terminal.PROGRAM", shell)
    with PtyApp(home.root) as app:
        app.wait("Nothing has been trained here yet")
        guard = psutil.Process(app.screen_pid)
        (screen,) = guard.children()
        guard.kill()
        screen.wait(30)
        app.wait(lambda _: not app.terminal.modes & LEFT_BEHIND)
        assert b"guard 137" in app.raw, "the shell was there meanwhile"


@pytest.mark.usefixtures("forked_workers")
def test_a_stopped_app_gives_the_terminal_back_and_comes_again(home: Home) -> None:
    with PtyApp(home.root) as app:
        app.wait("Nothing has been trained here yet")
        both = [psutil.Process(pid) for pid in (app.pid, app.screen_pid)]
        os.kill(app.pid, signal.SIGTSTP)
        wait_for(lambda: [p.status() for p in both] == [psutil.STATUS_STOPPED] * 2, what="both stopped")
        wait_for(lambda: not app.terminal.modes & LEFT_BEHIND, what="the terminal given back")
        os.killpg(app.pid, signal.SIGCONT)
        wait_for(lambda: 1049 in app.terminal.modes, what="the screen again")
        app.press("2")
        app.wait("The queue is empty")
        assert app.quit() == 0


def test_the_engine_dying_is_shown_and_survived(home: Home) -> None:
    with ensure_engine(home) as client:
        client.request("train", target="tiny", to_epoch=4000)
        pid = client.request("status")["pid"]
    with PtyApp(home.root) as app:
        app.wait("● 1 ")
        app.wait("loss of tiny-1")
        os.kill(pid, signal.SIGKILL)
        # It is started again by the app itself, and finds the living worker.
        app.wait(lambda text: "engine away" in text or "engine starting" in text)
        app.wait("● 1 ")
        assert not list((home.root).glob("tui.log")) or "Traceback" not in (home.root / "tui.log").read_text()
        with Client(home) as client:
            assert client.request("status")["pid"] != pid
        assert app.quit() == 0


def test_broken_things_on_disk_are_shown_as_what_they_are(home: Home) -> None:
    with ensure_engine(home) as client:
        client.request("train", target="tiny", to_epoch=40)
    with PtyApp(home.root) as app:
        app.wait("loss of tiny-1", "faces after epoch")
        app.wait(lambda text: "idle" in text)
        run = home.run("tiny-1")
        with open(run.metrics, "a") as file:
            file.write("\0garbage\n{{\n")
        app.wait("damaged lines left out")
        run.record.write_text("{")
        checkpoint = list_checkpoints(run)[-1]
        checkpoint.folder.manifest.write_text("{")
        home.user_profile("broken").write_text("[data\n")
        app.press("6", pause=1.0)
        app.wait("tiny-1")
        app.press("2", "a", pause=1.0)
        app.wait("new broken")
        app.press("\x1b", pause=0.6)
        app.press("1", pause=0.5)
        assert app.quit() == 0
    log = home.root / "tui.log"
    assert not log.exists() or "Traceback" not in log.read_text()


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize(
    ("encoding", "environment"),
    [
        ("utf-8", {"NO_COLOR": "1"}),
        ("latin-1", {"LC_ALL": "en_US.ISO-8859-1", "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}),
        ("utf-8", {"TERM": "xterm-256color"}),
        ("utf-8", {"TERM": "screen", "COLORTERM": "truecolor"}),
        ("utf-8", {"LINES": "10", "COLUMNS": "40"}),
    ],
    ids=["no-color", "latin-1", "256", "screen", "size-exported"],
)
def test_poor_terminals(home: Home, encoding: str, environment: dict[str, str]) -> None:
    with PtyApp(home.root, "--no-mouse", size=(80, 24), encoding=encoding, **environment) as app:
        text = app.wait("Nothing has been trained here yet", "idle")
        raw = app.raw.decode(encoding)
        assert "\\u" not in text
        assert "\\u" not in raw
        assert not app.terminal.modes & {1000, 1003}
        if "NO_COLOR" in environment:
            assert "38;" not in raw
            assert "48;" not in raw
        if encoding == "latin-1":
            assert "- queue -" in text
        if environment.get("TERM") in ("xterm-256color", "screen"):
            assert "38;2;" not in raw, "24-bit colours where nobody said that there are any"
        assert app.quit() == 0


@pytest.mark.usefixtures("forked_workers")
def test_resizing_to_something_tiny_and_back(home: Home) -> None:
    with PtyApp(home.root, size=(80, 24)) as app:
        app.wait("Nothing has been trained here yet")
        app.resize(40, 10)
        app.wait("too small")
        app.resize(100, 30)
        app.wait("Nothing has been trained here yet", "devices")
        assert app.quit() == 0


def test_without_a_terminal_it_says_so_plainly(home: Home) -> None:
    done = subprocess.run(
        PROGRAM,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "DDPM_HOME": str(home.root)},
    )
    assert done.returncode != 0
    assert "needs a terminal" in done.stderr


def test_a_stalled_terminal_does_not_slow_the_worker(home: Home) -> None:
    """Nobody reads the pty: the app blocks, the worker must not."""
    with ensure_engine(home) as client:
        client.request("train", target="tiny", to_epoch=4000)
    with PtyApp(home.root) as app:
        app.wait("loss of tiny-1")
        os.killpg(app.pid, signal.SIGSTOP)
        try:
            before = step_of(home)
            wait_for(lambda: step_of(home) > before + 10, what="the worker goes on")
        finally:
            os.killpg(app.pid, signal.SIGCONT)
        app.wait("epoch")


def step_of(home: Home) -> int:
    from engine.jobs.files import list_job_folders, read_progress

    progress = read_progress(list_job_folders(home)[0])
    assert progress is not None
    return progress.step or 0
