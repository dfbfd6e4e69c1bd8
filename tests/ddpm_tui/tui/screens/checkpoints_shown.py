"""The app with the checkpoints of real folders shown."""

import contextlib

from tests.ddpm_tui.fakes import make_app
from tests.ddpm_tui.tui.screens.homes import snapshot, until


def steps(app):
    return app.screen.query_one("#steps").keys


def opened(home, size=(80, 24)):
    app = make_app(home.root, snapshot(home.root))
    return app, app.run_test(size=size)


async def show(app, pilot, count=3):
    await pilot.press("3")
    await until(pilot, lambda: app.screen.id == "checkpoints" and len(steps(app)) == count)


@contextlib.asynccontextmanager
async def shown(home, size=(80, 24), count=3):
    """The app and its pilot, with `count` checkpoints listed."""
    app, run = opened(home, size)
    async with run as pilot:
        await show(app, pilot, count)
        yield app, pilot
