"""The screen when its engine goes away, comes back, is older than the program or cannot start."""

from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_tui.tui.state.snapshot import EngineStatus
from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.client.asynchronous import AsyncClient
from engine.client.sync import NotRunningError
from tests.ddpm_tui.fakes import filled, make_app
from tests.ddpm_tui.tui.test_app import screen_text


async def test_the_engine_going_away_and_coming_back_is_shown(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    app = make_app(tmp_path, snapshot)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        assert "1 running, 3 waiting" in screen_text(app)
        app.store.set(replace(snapshot, engine=EngineStatus("disconnected", "the engine went away")))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "engine away, retrying" in screen_text(app)
        assert "train celeba32-1" in screen_text(app)
        app.store.set(snapshot)  # type: ignore[attr-defined]
        await pilot.pause()
        assert "1 running, 3 waiting" in screen_text(app)


async def test_an_older_engine_is_shown_and_a_key_restarts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = filled(tmp_path)
    app = make_app(tmp_path, snapshot)
    restarted = []

    class Closing:
        def close(self) -> None:
            pass

    def restart(home: Home) -> Closing:
        restarted.append(home)
        return Closing()

    monkeypatch.setattr("engine.client.ending.restart_engine", restart)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert "the engine is not older than this program" in screen_text(app)
        assert restarted == []
        app.store.set(replace(snapshot, engine=EngineStatus("connected", version="0.0.9", old=True)))  # type: ignore[attr-defined]
        await pilot.pause()
        assert "engine is older" in screen_text(app)
        assert "is of ddpm-tui 0.0.9: ^r replaces it; its jobs continue" in screen_text(app)
        await pilot.press("ctrl+r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert restarted == [app.home]
        assert "the engine was restarted" in screen_text(app)
    assert app.faults == []


async def test_why_the_engine_is_away_or_in_trouble_is_said(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    app = make_app(tmp_path, snapshot)
    async with app.run_test(size=(120, 30)) as pilot:
        await pilot.pause()
        for link in ("disconnected", "connected"):
            engine = EngineStatus(link, f"{link}: no room on the disk")  # type: ignore[arg-type]
            app.store.set(replace(snapshot, engine=engine))  # type: ignore[attr-defined]
            await pilot.pause()
            assert f"{link}: no room on the disk" in screen_text(app)
        app.store.set(snapshot)  # type: ignore[attr-defined]
        await pilot.pause()
        assert "the engine works again" in screen_text(app)
        app.report(OSError(30, "Read-only file system", "/home/tags.json"), "the app")
        await pilot.pause()
        assert "read-only file system: /home/tags.json" in screen_text(app)
    assert app.faults == []


async def test_what_is_asked_of_an_engine_that_cannot_start_is_refused_with_the_reason(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "a file")
    home.root.touch()
    client = AsyncClient(home)
    with pytest.raises(NotRunningError, match="the engine is not connected"):
        await client.request("pause", ids=["1"])
    with pytest.raises(DdpmError) as why:
        await anext(client.listen())
    with pytest.raises(NotRunningError) as refused:
        await client.request("pause", ids=["1"])
    assert str(refused.value) == str(why.value)
    assert str(home.root) in refused.value.what
