"""A new screen is reached by its number, obeys its keys, and stands on the page of keys."""

import asyncio
import os
from pathlib import Path

from click.testing import CliRunner

from ddpm_tui.cli.keys import keys
from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.test_app import screen_text

assert "say it loudly" in CliRunner().invoke(keys, ["--markdown"]).output


async def shown() -> None:
    home = Path(os.environ["DDPM_HOME"])
    home.mkdir()
    app = make_app(home, filled(home))
    async with app.run_test(size=(100, 30)) as pilot:
        for key, text in (("8", "noted: "), ("x", "NOTED")):
            await pilot.press(key)
            for _ in range(100):
                await pilot.pause(0.05)
                if text in screen_text(app):
                    break
            assert text in screen_text(app), screen_text(app)
        assert not app.faults


asyncio.run(shown())
