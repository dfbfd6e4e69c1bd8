"""Screen 5 by its keys."""

import contextlib
import threading

import pytest

from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.trash import find_trashed, list_trash, restore
from engine.config.store import load_profile
from tests.ddpm_tui.fakes import FIGURES, empty, make_app
from tests.ddpm_tui.tui.screens.homes import text, until

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


@contextlib.asynccontextmanager
async def shown(home, size=(100, 30)):
    """The app and its pilot, with the profiles listed."""
    app, run = opened(home, size)
    async with run as pilot:
        await show(app, pilot)
        yield app, pilot


async def test_a_broken_profile_is_shown_with_file_line_and_reason(home):
    async with shown(home) as (app, pilot):
        await pilot.press("j")
        await until(
            pilot, lambda: "ab-broken.toml:3: optim.schedul: unknown key" in " ".join(text(app).split())
        )
        await pilot.press("enter")
        await until(pilot, lambda: "opens it in your editor" in text(app))
        assert not app.faults


async def test_the_form_checks_while_one_types_and_keeps_comments(home):
    async with shown(home) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        app.screen.query_one("Table").move_to("optim.lr")
        await until(pilot, lambda: app.screen.query_one("#value").value == "0.002")
        await pilot.press("end", "backspace", "x")
        await until(pilot, lambda: "valid number" in text(app))
        await pilot.press("ctrl+s", "end", "backspace", "3")
        await until(pilot, lambda: "valid number" not in text(app))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "0.003 # fast" in home.user_profile("aa-mine").read_text())
        assert home.user_profile("aa-mine").read_text().startswith("# mine")
        await pilot.press("u")
        await until(pilot, lambda: home.user_profile("aa-mine").read_text() == MINE)
        assert not app.faults


async def test_tab_goes_through_the_allowed_values_and_leaving_asks(home):
    async with shown(home) as (app, pilot):
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
    async with shown(home) as (app, pilot):
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
        assert home.user_profile("my-aa-mine").read_text() == MINE
        assert list_trash(home) == []


async def test_a_deleted_profile_can_be_restored_in_another_session(home):
    async with shown(home) as (_, pilot):
        await pilot.press("d")
        await until(pilot, lambda: not home.user_profile("aa-mine").exists())
    restore(find_trashed(home, "aa-mine", "profile"))
    assert home.user_profile("aa-mine").read_text() == MINE


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Sets $EDITOR to a program that does this to the file; Pilot's terminal cannot be given away, nor need it."""

    def use(shell):
        script = tmp_path / "editor.sh"
        script.write_text(f"#!/bin/sh\n{shell}\n")
        script.chmod(0o755)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"{script} --wait")
        monkeypatch.setattr("ddpm_tui.tui.app.DdpmApp.suspend", lambda app: contextlib.nullcontext())

    return use


async def test_the_editor_s_text_is_saved_with_its_comments(home, editor):
    editor('sed -i "s/0.002/0.004/" "$2"')
    async with shown(home) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: "saved aa-mine" in text(app))
        assert home.user_profile("aa-mine").read_text() == MINE.replace("0.002", "0.004")
        assert not app.faults


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ('echo "[optim]" > "$2"; exit 3', "nothing was changed: /"),
        ("true", "nothing was changed"),
        ('rm "$2"', "nothing was changed: the editor left no text"),
        ('printf "\\377" > "$2"', "nothing was changed: the editor left no text"),
    ],
)
async def test_an_editor_that_fails_or_does_nothing_changes_nothing(home, editor, shell, said):
    editor(shell)
    async with shown(home) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: said in text(app))
        assert home.user_profile("aa-mine").read_text() == MINE
        assert not app.faults


async def test_an_editor_that_is_not_there_is_said(home, editor, monkeypatch):
    editor("true")
    monkeypatch.setenv("EDITOR", "no-such-editor")
    async with shown(home) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: "nothing was changed: no-such-editor" in text(app))


async def test_what_was_typed_wrongly_is_kept_as_a_draft(home, editor):
    editor('echo "lr = fast" >> "$2"')
    async with shown(home, (160, 30)) as (app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: "not saved" in text(app))
        assert home.user_profile("aa-mine").read_text() == MINE
        assert "lr = fast" in (home.profiles / "aa-mine.toml.draft").read_text()


async def test_ctrl_z_takes_a_setting_back_and_page_keys_go_far(home):
    async with shown(home) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        table, field = app.screen.query_one("Table"), app.screen.query_one("#value")
        first = table.key
        await pilot.press("pagedown")
        assert table.keys.index(table.key) > 3
        await pilot.press("pageup")
        assert table.key == first
        table.move_to("optim.lr")
        await until(pilot, lambda: field.value == "0.002")
        await pilot.press("end", "backspace", "9")
        await until(pilot, lambda: "* optim.lr" in text(app))
        await pilot.press("ctrl+z")
        await until(pilot, lambda: field.value == "0.002" and "* optim.lr" not in text(app))


async def test_ctrl_e_measures_what_the_form_says(home, monkeypatch):
    asked = []
    figures = FIGURES | {"images_per_s": 131.0}

    def estimate(home, profile, *rest):
        asked.append(profile.optim.lr)
        return figures

    monkeypatch.setattr("ddpm_tui.tui.state.profile_facts.estimate", estimate)
    async with shown(home) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        app.screen.query_one("Table").move_to("optim.lr")
        await until(pilot, lambda: app.screen.query_one("#value").value == "0.002")
        await pilot.press("end", "backspace", "9")
        await until(pilot, lambda: "* optim.lr" in text(app))
        await pilot.press("ctrl+e")
        await until(pilot, lambda: "131 images/s" in text(app))
        assert asked == [0.009]


async def test_the_filter_narrows_the_list(home):
    async with shown(home) as (app, pilot):
        await pilot.press("slash", *"aa-m", "enter")
        await until(pilot, lambda: app.screen.table.keys == ["aa-mine"])
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(app.screen.table.keys) > 3)


async def test_the_profile_under_the_cursor_is_counted_and_again_after_a_failure(home):
    app, run = opened(home)
    estimator = app.estimator
    estimator.answer = UserError("the estimator ended (killed by SIGKILL)", "the next change starts it again")
    async with run as pilot:
        await show(app, pilot)
        await until(pilot, lambda: "killed by SIGKILL" in text(app))
        estimator.answer = FIGURES
        await pilot.press("G", "g")
        await until(pilot, lambda: "2.20 M" in text(app) and "SIGKILL" not in text(app))
        assert estimator.asked[0]["optim"]["lr"] == 0.002
        assert not app.faults


async def test_the_form_counts_every_change_and_says_what_cannot_be_counted(home):
    app, run = opened(home)
    estimator = app.estimator
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app) and "2.20 M" in text(app))
        app.screen.query_one("Table").move_to("optim.lr")
        await until(pilot, lambda: app.screen.query_one("#value").value == "0.002")
        estimator.answer = FIGURES | {"parameters": 7_770_000}
        await pilot.press("end", "backspace", "9")
        await until(pilot, lambda: "7.77 M" in text(app))
        assert estimator.asked[-1]["optim"]["lr"] == 0.009
        estimator.answer = UserError("no CUDA device for 'cuda'")
        await pilot.press("8")
        await until(pilot, lambda: "no CUDA device" in text(app) and "7.77 M" not in text(app))
        assert not app.faults


async def test_estimate_shows_what_the_worker_found(home, monkeypatch):
    figures = FIGURES | {"images_per_s": 131.0}
    monkeypatch.setattr("ddpm_tui.tui.state.profile_facts.estimate", lambda *given: figures)
    async with shown(home) as (app, pilot):
        await pilot.press("m")
        await until(pilot, lambda: "2.20 M" in text(app) and "131 images/s" in text(app))


async def test_what_is_measured_is_in_sight_at_80_by_24(home, monkeypatch):
    may_end = threading.Event()
    figures = FIGURES | {"images_per_s": 131.0, "epoch_seconds": 60.0, "run_seconds": 7200.0}

    def estimate(*given):
        may_end.wait(30)
        return figures

    monkeypatch.setattr("ddpm_tui.tui.state.profile_facts.estimate", estimate)
    async with shown(home, (80, 24)) as (app, pilot):
        app.screen.table.move_to("celeba64")
        await until(pilot, lambda: "celeba64, shipped" in text(app) and "network" in text(app))
        await pilot.press("m")
        await until(pilot, lambda: "measuring a few steps" in text(app))
        may_end.set()
        await until(pilot, lambda: "131 images/s" in text(app) and "2 h 00 min" in text(app))
        assert "measuring" not in text(app)


async def test_the_form_finds_a_setting_and_shows_what_was_changed(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Profile aa-mine" in text(app))
        table = app.screen.query_one("Table")
        await pilot.press("ctrl+f", *"final")
        await until(pilot, lambda: table.keys == ["optim.final_lr"])
        await pilot.press("enter")
        await until(pilot, lambda: len(table.keys) > 20 and table.key == "optim.final_lr")
        assert app.screen.query_one("#value").has_focus
        await pilot.press(*"1e-5", "ctrl+o")
        await until(pilot, lambda: table.keys == ["optim.final_lr"])
        await pilot.press("ctrl+o")
        await until(pilot, lambda: len(table.keys) > 20)
        await pilot.press("ctrl+f", *"nothing", "escape")
        await until(pilot, lambda: len(table.keys) > 20)
        assert app.screen.query_one("#value").has_focus
        await pilot.press("ctrl+z")
        await until(pilot, lambda: "* optim" not in text(app))
        assert not app.faults
