"""What screen 3 changes, and how it is taken back: deleting, tags, branches, exports, renaming."""

import json

import pytest

from engine.base.files import FileLock
from engine.base.home import Home
from engine.base.trash import list_trash
from engine.runs.checkpoints import read_tags, set_tag
from engine.runs.record import freeze, load_run, run_names
from engine.service.states import Job
from engine.service.store import QueueStore
from tests.ddpm_tui.tui.screens.checkpoints_shown import shown, steps
from tests.ddpm_tui.tui.screens.homes import make_run, refresh, text, until


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    return home


async def test_delete_moves_to_the_trash_and_undo_brings_it_back(home):
    async with shown(home) as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: steps(app) == ["200", "100"])
        assert [t.label for t in list_trash(home)] == ["faces-1@300"]
        await pilot.press("u")
        await until(pilot, lambda: steps(app) == ["300", "200", "100"])
        assert not list_trash(home)


async def test_a_run_without_its_only_checkpoint_is_named_with_what_brings_it_back(home):
    make_run(home, "lone", (100,))
    async with shown(home) as (app, pilot):
        await until(pilot, lambda: "lone" in text(app))
        app.screen.open("lone")
        await until(pilot, lambda: steps(app) == ["100"])
        await pilot.press("d")
        await until(pilot, lambda: "lone has no checkpoint." in text(app))
        assert "u brings back lone@100" in text(app)
        assert "a queues training of this run" in text(app)
        await pilot.press("u")
        await until(pilot, lambda: steps(app) == ["100"])


async def test_enter_alone_takes_no_tag_away(home):
    set_tag(home.run("faces-1"), "nice", 300)
    async with shown(home) as (app, pilot):
        await pilot.press("t", "enter")
        await pilot.pause()
        assert read_tags(home.run("faces-1")) == {"nice": 300}
        assert "has nice" in text(app) or "name" in text(app)
        await pilot.press(*"nice", "enter")
        await until(pilot, lambda: not read_tags(home.run("faces-1")))
        assert not app.faults


async def test_an_export_goes_where_the_whole_path_says(home, tmp_path):
    async with shown(home) as (app, pilot):
        await pilot.press("E")
        await pilot.press("ctrl+a", "ctrl+k", *"here", "enter")
        await until(pilot, lambda: "is not an absolute path" in text(app))
        await pilot.press("ctrl+a", "ctrl+k", *str(tmp_path), "enter")
        await until(pilot, lambda: "already exists" in text(app))
        assert not app.faults


async def test_a_run_that_is_in_use_is_refused_before_anything_is_asked(home):
    with FileLock.acquire(home.run("faces-1").lock, "run", "wait"):
        async with shown(home) as (app, pilot):
            await pilot.press("shift+tab", "d")
            await until(pilot, lambda: "is in use" in text(app))
            assert "Delete the whole run" not in text(app)


async def test_tag_is_given_and_taken_back(home):
    async with shown(home) as (app, pilot):
        await pilot.press("j", "t", *"nice", "enter")
        await until(pilot, lambda: read_tags(home.run("faces-1")) == {"nice": 200})
        await until(pilot, lambda: "best nice" in text(app))
        await pilot.press("u")
        await until(pilot, lambda: not read_tags(home.run("faces-1")))


async def test_branch_puts_a_tenth_of_the_rate_forward_and_goes_to_the_branch(home):
    async with shown(home) as (app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: "0.001 → 0.0001" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "faces-2" in run_names(home))
        assert load_run(home, "faces-2").profile.optim.lr == pytest.approx(1e-4)
        refresh(app)
        await until(pilot, lambda: app.screen.query_one("#runs").key == "faces-2")
        await until(pilot, lambda: "└ faces-2" in text(app))
        await pilot.press("u")
        await until(pilot, lambda: "faces-2" not in run_names(home))


async def test_branch_says_how_it_would_train_while_one_types(home):
    freeze(home.run("faces-1"), horizon_epochs=3, data={"train": 400})
    record = json.loads(home.run("faces-1").record.read_text())
    record["profile"]["training"]["epochs"] = 3
    record.pop("digest", None)
    home.run("faces-1").record.write_text(json.dumps(record))
    async with shown(home, (120, 30)) as (app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: "past the end of its plan (epoch 3)" in text(app))
        assert "up to 0.0001, down to 0 at epoch" in text(app)
        app.screen.query_one("#changes").value = "optim.schedule=constant"
        await until(pilot, lambda: "epochs 3 → 28" in text(app) and "anew" not in text(app))
        app.screen.query_one("#changes").value = "training.batch_size=512"
        await until(pilot, lambda: "400 pictures" in text(app))


async def test_branch_refuses_what_the_weights_do_not_allow_while_one_types(home):
    async with shown(home) as (app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: "0.001 → 0.0001" in text(app))
        app.screen.query_one("#changes").value = "model.width=64"
        await until(pilot, lambda: "cannot change in a branch" in text(app))
        assert "--set" not in text(app)
        app.screen.query_one("#changes").value = "lr"
        await until(pilot, lambda: "'lr' is not section.key=value" in text(app))
        assert "--set" not in text(app)
        await pilot.press("enter", "escape")
        assert run_names(home) == ["faces-1"]


async def test_export_writes_weights_and_profile(home, tmp_path_factory):
    target = tmp_path_factory.mktemp("out") / "take"
    async with shown(home) as (app, pilot):
        await pilot.press("E")
        await until(pilot, lambda: "Export faces-1@300" in text(app))
        app.screen.query_one("Input").value = str(target)
        await pilot.press("enter")
        await until(pilot, lambda: (target / "export.json").exists())
        assert (target / "model.safetensors").read_bytes() == b"average"
        assert "[optim]" in (target / "profile.toml").read_text()


async def test_rename_and_delete_of_a_run_are_taken_back(home):
    async with shown(home) as (app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: "Rename run" in text(app))
        app.screen.query_one("Input").value = "renamed"
        await pilot.press("enter")
        await until(pilot, lambda: run_names(home) == ["renamed"])
        await pilot.press("u")
        await until(pilot, lambda: run_names(home) == ["faces-1"])
        refresh(app)
        await until(pilot, lambda: app.screen.query_one("#runs").key == "faces-1")
        await pilot.press("shift+tab")
        await until(pilot, lambda: app.screen.label("checkpoints.delete") == "delete run")
        await pilot.press("d")
        await until(pilot, lambda: "Delete the whole run faces-1?" in text(app))
        assert "3 checkpoints with all curves" in text(app)
        await pilot.press("n", "d")
        await until(pilot, lambda: "Delete the whole run faces-1?" in text(app))
        assert run_names(home) == ["faces-1"]
        await pilot.press("y")
        await until(pilot, lambda: run_names(home) == [])
        await pilot.press("u")
        await until(pilot, lambda: run_names(home) == ["faces-1"])


async def test_a_run_that_the_queue_needs_stays_as_it_is(home):
    store = QueueStore.open(home.queue_db)
    store.insert(Job("000012", "train", "faces-1", args={"to_epoch": 50}))
    store.close()
    async with shown(home) as (app, pilot):
        await pilot.press("R")
        await until(pilot, lambda: "Rename run" in text(app))
        app.screen.query_one("Input").value = "renamed"
        await pilot.press("enter")
        await until(pilot, lambda: "cannot be renamed" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Rename run" not in text(app))
        await pilot.press("shift+tab", "d")
        await until(pilot, lambda: "cannot be deleted" in text(app))
    assert run_names(home) == ["faces-1"]
