"""How the screens look, as SVG, with fixed data and a clock that stands still. `--snapshot-update` takes new ones."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.state.snapshot import EngineStatus, Snapshot
from ddpm_tui.tui.widgets.chart import LossChart
from engine.base.home import Home
from engine.service.states import State
from tests.ddpm_tui.fakes import FULL, NOW, curves, empty, filled, job, make_app
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples, until
from tests.ddpm_tui.tui.screens.homes import snapshot as read_home
from tests.ddpm_tui.tui.screens.homes import text as screen_text
from tests.ddpm_tui.tui.screens.shown import settled

PLAIN = Terminal(Depth.ANSI256, unicode=False, braille=False, tty=True)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def trouble(home: Path) -> Snapshot:
    """The engine is away, a job failed, metrics are damaged, a preview is not a picture."""
    snapshot = filled(home)
    newest = home / "runs/celeba32-1/previews/00004800.png"
    newest.write_bytes(b"no picture")
    failed = job(
        12, State.FAILED, reason="out of memory", hint="use a smaller model", ended=NOW - 5, started=NOW - 99
    )
    damaged = replace(snapshot.curves["celeba32-1"], corrupt_lines=4)
    return replace(
        snapshot,
        engine=EngineStatus("disconnected", "the engine went away"),
        jobs=(failed,),
        curves={**snapshot.curves, "celeba32-1": damaged},
    )


STATES: dict[str, Callable[[Path], Snapshot]] = {
    "filled": filled,
    "empty": lambda _: empty(),
    "trouble": trouble,
}


def go(key: str, *more: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def act(pilot: Pilot[Any]) -> None:
        await pilot.press(key)
        if key in "16":
            await settled(pilot, LossChart)
        for one in more:
            await pilot.press(one)
        await pilot.pause(0.4)

    return act


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("key", ["1", "2", "6"])
def test_at_80_by_24(snap_compare: Any, tmp_path: Path, key: str, state: str) -> None:
    app = make_app(tmp_path, STATES[state](tmp_path))
    assert snap_compare(app, terminal_size=(80, 24), run_before=go(key))


@pytest.mark.parametrize("key", ["1", "2", "6"])
def test_as_narrow_as_it_goes(snap_compare: Any, tmp_path: Path, key: str) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    assert snap_compare(app, terminal_size=(60, 18), run_before=go(key))


def on_disk(home: Path) -> Snapshot:
    """A run with checkpoints, previews and two sets; a profile of the user's."""
    run = make_run(Home(home).create(), "faces-1")
    make_samples(run)
    make_samples(run, "000002", n=16)
    record = run.sample("000002").record
    record.write_text(
        record.read_text().replace('"ddim"', '"dpmpp"').replace('"seed"', '"spacing": "trailing", "seed"')
    )
    Home(home).user_profile("aa-mine").write_text('description = "of mine"\n[optim]\nlr = 0.002 # fast\n')
    return read_home(home)


def damaged(home: Path) -> Snapshot:
    """The same with the newest checkpoint cut short, the newest set and a profile broken, and no engine."""
    on_disk(home)
    run = Home(home).run("faces-1")
    (run.checkpoint(300).path / "ema.safetensors").write_bytes(b"x")
    run.sample("000002").record.write_text("{")
    Home(home).user_profile("aa-mine").write_text("[optim]\nlr = 1e-3\nschedul = 'cosine'\n")
    return replace(read_home(home), engine=EngineStatus("disconnected", "the engine went away"))


FILES: dict[str, Callable[[Path], Snapshot]] = {
    "filled": on_disk,
    "empty": lambda _: empty(),
    "trouble": damaged,
}

SEEN = {
    ("3", "filled"): "▀",
    ("3", "empty"): "No run yet.",
    ("3", "trouble"): "damaged: ema",
    ("4", "filled"): "▀",
    ("4", "empty"): "No faces yet.",
    ("4", "trouble"): "cannot be read",
    ("5", "filled"): "parameters",
    ("5", "empty"): "parameters",
    ("5", "trouble"): "unknown key",
    ("3", "narrow"): "▀",
    ("4", "narrow"): "▀",
    ("5", "narrow"): "EMA",
}
"""What is on the screens that read files, once they have read them."""


def read(key: str, state: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    async def act(pilot: Pilot[Any]) -> None:
        await pilot.press(key)
        await until(pilot, lambda: SEEN[key, state] in screen_text(pilot.app))
        await pilot.pause(0.4)

    return act


@pytest.mark.parametrize("state", FILES)
@pytest.mark.parametrize("key", ["3", "4", "5"])
def test_files_at_80_by_24(snap_compare: Any, tmp_path: Path, key: str, state: str) -> None:
    app = make_app(tmp_path, FILES[state](tmp_path))
    assert snap_compare(app, terminal_size=(80, 24), run_before=read(key, state))


@pytest.mark.parametrize("key", ["3", "4", "5"])
def test_files_as_narrow_as_it_goes(snap_compare: Any, tmp_path: Path, key: str) -> None:
    app = make_app(tmp_path, on_disk(tmp_path))
    assert snap_compare(app, terminal_size=(60, 18), run_before=read(key, "narrow"))


@pytest.mark.parametrize("theme", ["ddpm-light", "ddpm-okabe-ito"])
def test_themes(snap_compare: Any, tmp_path: Path, theme: str) -> None:
    app = make_app(tmp_path, filled(tmp_path), theme=theme)
    assert snap_compare(app, terminal_size=(120, 36), run_before=go("1"))


def test_without_unicode(snap_compare: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddpm_tui.tui.app._encoding", lambda: "latin-1")
    app = make_app(tmp_path, replace(filled(tmp_path), curves={"celeba32-1": curves("celeba32-1")}), PLAIN)
    assert snap_compare(app, terminal_size=(80, 24), run_before=go("1"))


def test_the_form(snap_compare: Any, tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path), FULL)
    app.store.link.answers["train"] = {"says": ["celeba32-1: epochs 25 → 50 (1 chunk of 25)"]}  # type: ignore[attr-defined]
    assert snap_compare(app, terminal_size=(80, 24), run_before=go("2", "a"))


def test_help(snap_compare: Any, tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    assert snap_compare(app, terminal_size=(80, 24), run_before=go("2", "question_mark"))
