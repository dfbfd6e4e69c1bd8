"""The wheel outside the checkout: profiles and style sheets are in it, and are found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

LOOK = """
import asyncio, engine, ddpm_tui
from pathlib import Path
from ddpm_tui.cli.main import run
site = Path(SITE)
assert Path(engine.__file__).is_relative_to(site) and Path(ddpm_tui.__file__).is_relative_to(site)
assert Path(engine.__file__).with_name("py.typed").is_file() and Path(ddpm_tui.__file__).with_name("py.typed").is_file()
import importlib.util
assert Path(importlib.util.find_spec("engine.api").origin).is_relative_to(site)
assert run(["profiles", "list"]) == 0
from ddpm_tui.tui.app import DdpmApp
from engine.client.asynchronous import AsyncClient
from ddpm_tui.tui.state.store import LiveStore
from engine.base.home import Home

async def open_app():
    home = Home.find().create()
    store = LiveStore(home, AsyncClient(home))
    app = DdpmApp(home, store)
    app.set_reactive(DdpmApp.snapshot, store.first())
    async with app.run_test(size=(80, 24)) as pilot:
        for key in "123456":
            await pilot.press(key)
            await pilot.pause(0.2)
        assert not app.faults, app.faults

asyncio.run(open_app())
print("opened")
"""


def test_an_installed_wheel_works(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", str(tmp_path / "wheel"), str(ROOT)], check=True, timeout=240
    )
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=120)
    env = {
        **os.environ,
        "PYTHONPATH": str(site),
        "DDPM_HOME": str(tmp_path / "home"),
        "DDPM_KEEPER": "itself",
    }
    script = LOOK.replace("SITE", repr(str(site)))
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    try:
        assert done.returncode == 0, done.stderr
        assert "celeba32-paper" in done.stdout
        assert done.stdout.endswith("opened\n")
    finally:
        command = [sys.executable, "-P", "-m", "ddpm_tui.cli.main", "engine", "stop"]
        subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=60)
