"""Screen 5 by its keys."""

import pytest

from engine.home import Home
from engine.profiles_store import load_profile
from tests.ddpm_tui.fakes import empty, make_app
from tests.ddpm_tui.screens.homes import text, until

BROKEN = "[optim]\nlr = 1e-3\nschedul = 'cosine'\n"
MINE = "# mine\n[optim]\nlr = 0.002 # fast\n"


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).create()
    home.user_profile("aa-mine").write_text(MINE)
    home.user_profile("ab-broken").write_text(BROKEN)
    return home


def opened(home, size=(100, 30)):
    app = make_app(home.root, empty())
    return app, app.run_test(size=size)


async def show(app, pilot):
    await pilot.press("5")
    await until(pilot, lambda: app.screen.id == "profiles" and "aa-mine, yours" in text(app))


async def test_a_broken_profile_is_shown_with_file_line_and_reason(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("j")
        await until(
            pilot, lambda: "ab-broken.toml:3: optim.schedul: unknown key" in " ".join(text(app).split())
        )
        await pilot.press("enter")
        await until(pilot, lambda: "opens it in your editor" in text(app))
        assert not app.faults


async def test_the_form_checks_while_one_types_and_keeps_comments(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        app.screen.query_one("Table").move_to("optim.lr")
        await until(pilot, lambda: app.screen.query_one("#value").value == "0.002")
        await pilot.press("backspace", "x")
        await until(pilot, lambda: "valid number" in text(app))
        await pilot.press("ctrl+s", "backspace", "3")
        await until(pilot, lambda: "valid number" not in text(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "0.003 # fast" in home.user_profile("aa-mine").read_text())
        assert home.user_profile("aa-mine").read_text().startswith("# mine")
        await pilot.press("u")
        await until(pilot, lambda: home.user_profile("aa-mine").read_text() == MINE)
        assert not app.faults


async def test_tab_goes_through_the_allowed_values_and_leaving_asks(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        app.screen.query_one("Table").move_to("optim.schedule")
        await until(pilot, lambda: app.screen.query_one("#value").value == "cosine")
        await pilot.press("shift+tab")
        assert app.screen.query_one("#value").value == "constant"
        await pilot.press("escape")
        await until(pilot, lambda: "Leave without saving 1 change?" in text(app))
        await pilot.press("y")
        await until(pilot, lambda: app.screen.id == "profiles")
        assert home.user_profile("aa-mine").read_text() == MINE


async def test_a_marked_profile_is_compared_with_the_others(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("space", "j", "j")
        await until(pilot, lambda: "data.dataset" in text(app) and "aa-mine" in text(app))


async def test_new_train_and_delete(home):
    app, run = opened(home)
    async with run as pilot:
        app.store.link.answers["train"] = {"job": {"id": "000009"}, "says": [], "added": True}
        await show(app, pilot)
        await pilot.press("n")
        await until(pilot, lambda: "New profile from aa-mine" in text(app))
        await pilot.press("enter")
        await until(
            pilot, lambda: app.screen.query("#list") and app.screen.query_one("#list").key == "my-aa-mine"
        )
        assert load_profile(home, "my-aa-mine").optim.lr == 0.002
        await pilot.press("a")
        await until(pilot, lambda: "Queue training" in text(app) and "my-aa-mine" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: any(not a.get("dry_run") for a in app.store.link.asked("train")))
        assert app.store.link.asked("train")[-1]["target"] == "my-aa-mine"
        await pilot.press("d")
        await until(pilot, lambda: not home.user_profile("my-aa-mine").exists())
        await pilot.press("u")
        await until(pilot, lambda: home.user_profile("my-aa-mine").exists())


async def test_estimate_shows_what_the_worker_found(home, monkeypatch):
    figures = {
        "parameters": 2_200_000, "forward_macs": 5e8, "state_bytes": 44e6, "activation_bytes": 1e8,
        "checkpoint_bytes": 35e6, "summary": "a test", "images_per_s": 131.0,
    }  # fmt: skip
    monkeypatch.setattr("ddpm_tui.state.profile_facts.estimate", lambda *given: figures)
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("m")
        await until(pilot, lambda: "2.20 M" in text(app) and "131 images/s" in text(app))
