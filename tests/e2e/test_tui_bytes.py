"""What goes over the link, counted on a pty at 120×40 with a real engine and a real worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.client.sync import ensure_engine
from tests.e2e.tui_home import make_home, stop_engine
from tests.e2e.tui_terminal import PtyApp

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]

TRAINING_LIMIT = 2000
IDLE_LIMIT = 100
SECONDS = 30


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = make_home(tmp_path / "home")
    yield home
    stop_engine(home)


def rate(app: PtyApp) -> float:
    return app.settle(SECONDS) / SECONDS


@pytest.mark.usefixtures("forked_workers")
def test_idle_app_writes_next_to_nothing(home: Home) -> None:
    with PtyApp(home.root) as app:
        app.wait("Nothing has been trained here yet", "● idle")
        app.settle(5)
        idle = rate(app)
        print(f"idle: {idle:.0f} B/s")
        assert idle < IDLE_LIMIT


@pytest.mark.parametrize("arguments", [(), ("--low-bandwidth",)], ids=["normal", "low"])
def test_training_is_watched_within_the_budget(home: Home, arguments: tuple[str, ...]) -> None:
    with ensure_engine(home) as client:
        client.request("train", target="tiny")
    with PtyApp(home.root, *arguments) as app:
        app.wait("train tiny-1 to epoch 1000", "loss of tiny-1", "faces after epoch")
        app.settle(3)
        step = app.text
        training = rate(app)
        print(f"training {arguments}: {training:.0f} B/s, {app.count} B in all")
        assert app.text != step, "nothing moved: the test would prove nothing"
        assert training < (TRAINING_LIMIT / 2 if arguments else TRAINING_LIMIT)
