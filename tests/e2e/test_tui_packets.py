"""Keys as ssh sends them, several in one packet, into the real app in a real pty: what it does is what they say."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.client.sync import ensure_engine
from engine.jobs.files import list_job_folders
from tests.ddpm_tui.packets import click, paste
from tests.ddpm_tui.tui.screens.homes import make_run
from tests.e2e.tui_home import make_home, stop_engine
from tests.e2e.tui_terminal import PATIENCE_S, PtyApp
from tests.engine.service.support import wait_for

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("forked_workers"),
]

DOWN, BACK = b"\x1b[B", b"\x7f"
FORM = b"5g\r" + 3 * BACK + b"64" + 3 * DOWN + b"\x13" + 60 * BACK + b"mine\r"
"""The first profile's first setting, then others, saved under another name."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = make_home(tmp_path / "home")
    make_run(home, "tiny-1", size=16)
    yield home
    stop_engine(home)


def send(app: PtyApp, *packets: bytes | float) -> None:
    for packet in packets:
        if isinstance(packet, float):
            time.sleep(packet)
        else:
            os.write(app.fd, packet)


def tags(home: Home) -> dict[str, int]:
    path = home.run("tiny-1").path / "tags.json"
    return json.loads(path.read_text()) if path.exists() else {}


def test_one_packet_is_as_good_as_one_key_at_a_time(home: Home) -> None:
    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running")
        # A dialog is there for the very next letter; Backspace and Enter stay in their places.
        send(app, b"3tgoof" + BACK + b"d\r")
        app.wait("is now tiny-1@good")
        assert "good" in app.text
        # From screen to screen, and a filter.
        send(app, b"2/ab" + BACK + b"c")
        app.wait("filter ac")
        send(app, b"\x1b", 0.3)
        # In the profile form the arrows come after what was typed before them.
        send(app, FORM)
        app.wait("saved mine")
        saved = home.user_profile("mine").read_text()
        send(app, b"q")
        app.status()
    home.user_profile("mine").rename(home.root / "in-one-packet.toml")
    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running")
        keys = FORM.replace(DOWN, b"\0")
        for key in keys:
            send(app, DOWN if key == 0 else bytes([key]), 0.12)
        app.wait("saved mine")
    assert home.user_profile("mine").read_text() == saved
    assert "64" in saved


def test_no_part_of_a_report_is_a_key(home: Home) -> None:
    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running")
        modes = app.raw
        assert b"\x1b[?1002h" in modes
        assert b"\x1b[?1003h" not in modes, "every move of the mouse would be sent"
        report = click(35, 5)
        for cut in range(2, len(report) - 1):
            send(app, report[:cut], 0.15, report[cut:])
        send(app, b"\x1b[20", 0.3, b"0~3 2", 0.3, b" 5\x1b[20", 0.3, b"1~")
        time.sleep(1.0)
        assert "Nothing is running" in app.text, "still the dashboard"
        send(app, b"3t" + paste("word") + b"s\r")
        app.wait("is now tiny-1@words")


def test_keys_wait_for_what_hangs_and_ctrl_q_does_not(home: Home) -> None:
    """The engine stands still: what is asked of it waits, the keys behind it wait some seconds, ctrl+q ends the app."""
    import signal

    from engine.client.sync import Client

    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running", "idle")
        with Client(home) as client:
            pid = client.request("status")["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            send(app, b"2H" + b"5")
            app.wait("shipped")
            assert time.monotonic() - began < 30
            send(app, b"2H", 0.5, b"\x11")
            assert app.status() == 0
        finally:
            os.kill(pid, signal.SIGCONT)


def test_an_open_screen_lets_a_stopped_engine_rest(home: Home) -> None:
    from engine.base.files import is_locked

    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running", "idle")
        stop_engine(home)
        app.wait("engine stopped")
        time.sleep(5)
        assert not is_locked(home.engine_lock)
        assert "engine stopped" in app.text
        ensure_engine(home).close()
        app.wait("idle")


def count_jobs(home: Home) -> Callable[[], int]:
    return lambda: len(list_job_folders(home))


def test_a_form_closed_in_the_same_packet_asked_once(home: Home) -> None:
    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("Nothing is running", "idle")
        send(app, b"2a\r" + b"H" + b"u")
        wait_for(lambda: count_jobs(home)() >= 1, timeout=PATIENCE_S)
        app.wait("undone: the queue continues")
        assert count_jobs(home)() == 1
