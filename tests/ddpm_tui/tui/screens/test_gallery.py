"""Screen 4 by its keys, on real folders."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from ddpm_tui.tui.state.previews import moment
from ddpm_tui.tui.state.scores import scores_of_set
from engine.base.home import ExportPlace, Home
from engine.base.trash import list_trash
from engine.runs.evaluations import write_evaluation
from tests.ddpm_tui.fakes import empty, make_app, save_grid
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples, refresh, snapshot, text, until
from tests.engine.runs.test_evaluations import SWD


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).create()
    make_samples(make_run(home, "faces-1"))
    return home


def opened(home, size=(80, 24)):
    app = make_app(home.root, snapshot(home.root))
    return app, app.run_test(size=size)


async def show(app, pilot):
    await pilot.press("4")
    await until(pilot, lambda: app.screen.id == "gallery" and app.screen.view.mode == "grid")


def player(app):
    return app.screen.query_one("#player")


async def test_lists_sets_and_previews_and_shows_the_faces(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        assert app.screen.query_one("#sets").keys == ["faces-1/000001", "faces-1/"]
        assert len(app.screen.query_one("#grid").pictures) == 6
        assert "ddim×10, seed 3" in text(app)
        assert not app.faults


async def test_a_fresh_machine_says_what_to_press(tmp_path):
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "No faces yet." in text(app))


async def test_a_face_large_is_scrubbed_and_played(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.view.mode == "large" and player(app).frame == 2)
        await pilot.press("h")
        await until(pilot, lambda: player(app).frame == 1)
        await pilot.press("l")
        await until(pilot, lambda: player(app).frame == 2)
        await pilot.press("space")
        assert player(app).playing
        await until(pilot, lambda: not player(app).playing and player(app).frame == 2)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.view.mode == "grid")


@pytest.mark.parametrize("key", ["enter", "space", "n"])
async def test_a_key_pressed_while_the_pictures_are_still_to_come_is_not_lost(home, monkeypatch, key):
    from ddpm_tui.tui.state import samples

    read, asked, go_on = samples.load_pictures, threading.Event(), threading.Event()

    def slow(folder):
        asked.set()
        go_on.wait(30)
        return read(folder)

    monkeypatch.setattr(samples, "load_pictures", slow)
    app, run = opened(home)
    async with run as pilot:
        await pilot.press("4")
        await until(pilot, asked.is_set)
        await pilot.press(key)
        go_on.set()
        if key == "space":
            await until(pilot, lambda: "▶ noise" in text(app))
        else:
            await until(pilot, lambda: app.screen.view.mode == "large")
        assert not app.faults


async def test_keys_behind_one_that_waits_for_the_pictures_wait_too(home, monkeypatch):
    from ddpm_tui.tui.state import samples

    make_samples(home.run("faces-1"), "000002")
    read, asked, go_on = samples.load_pictures, threading.Event(), threading.Event()

    def slow(folder):
        asked.set()
        go_on.wait(30)
        return read(folder)

    monkeypatch.setattr(samples, "load_pictures", slow)
    app, run = opened(home)
    async with run as pilot:
        await pilot.press("4")
        await until(pilot, asked.is_set)
        shown = app.screen.sets.key
        await pilot.press("enter", "j")
        go_on.set()
        await until(pilot, lambda: app.screen.view.mode == "large" and app.turns.through)
        assert app.screen.sets.key == shown, "j came when the face was large"


async def test_the_list_says_a_spacing_that_is_not_the_samplers_own(home):
    run = home.run("faces-1")
    for name, way in (("000002", ("dpmpp", "trailing")), ("000003", ("dpmpp", "logsnr"))):
        make_samples(run, name)
        record = run.sample(name).record
        facts = json.loads(record.read_text()) | {"sampler": way[0], "spacing": way[1]}
        record.write_text(json.dumps(facts))
    app, opening = opened(home)
    async with opening as pilot:
        await show(app, pilot)
        rows = [line.partition("│")[0].split() for line in text(app).splitlines()[2:5]]
        assert [row[2:] for row in rows] == [["dpmpp", "10"], ["dpmpp", "10", "trail"], ["ddim", "10"]]
        assert rows[1][:2] == ["faces-1@200", "6"]


async def test_film_shows_the_previews_of_the_run(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("f")
        await until(pilot, lambda: app.screen.view.mode == "film")
        film = app.screen.query_one("#film")
        assert [frame.label for frame in film.frames] == [f"epoch {n}, step {n}00" for n in (1, 2, 3)]
        assert "epoch 3, step 300" in text(app)


async def test_a_film_that_is_left_open_gets_longer(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("f")
        await until(pilot, lambda: app.screen.view.mode == "film")
        film = app.screen.query_one("#film")
        save_grid(home.run("faces-1").preview(400), count=4, columns=2, epoch=4)
        refresh(app)
        await until(pilot, lambda: len(film.frames) == 4)
        assert film.selected == 3
        await pilot.press("h", "h")
        assert film.selected == 1
        save_grid(home.run("faces-1").preview(500), count=4, columns=2, epoch=5)
        refresh(app)
        await until(pilot, lambda: len(film.frames) == 5)
        assert film.selected == 1
        assert not app.faults


def test_a_preview_is_named_by_its_epoch_where_that_is_known():
    assert moment(4900, 20.0) == ("epoch 20, step 4,900", "epoch 20")
    assert moment(4900, None) == ("step 4,900", "4,900")


async def test_absent_training_data_is_said(home):
    app, run = opened(home, (120, 30))
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("n")
        await until(pilot, lambda: "the nearest training faces are not known" in text(app))
        assert not app.faults


async def test_delete_and_undo(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("d")
        await until(pilot, lambda: app.screen.query_one("#sets").keys == ["faces-1/"])
        await pilot.press("u")
        await until(pilot, lambda: app.screen.query_one("#sets").keys == ["faces-1/000001", "faces-1/"])


@pytest.fixture
def exported(home):
    """A set of an exported checkpoint beside that of the run."""
    make_samples(
        ExportPlace(home, "far-1", "5a"), "000009", export="/else/where/faces", weights_sha256="5a", steps=20
    )
    return "/000009"


async def test_sets_of_exported_checkpoints_stand_below_those_of_runs(home, exported):
    app, run = opened(home, (120, 30))
    async with run as pilot:
        await show(app, pilot)
        sets = app.screen.query_one("#sets")
        assert sets.keys == ["faces-1/000001", "faces-1/", exported]
        sets.move_to(exported)
        await until(pilot, lambda: "far-1@200, exported to /else/where/faces" in " ".join(text(app).split()))
        assert "…/faces" in text(app)
        assert len(app.screen.query_one("#grid").pictures) == 6
        await pilot.press("f")
        await until(pilot, lambda: "an exported checkpoint has no previews" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.view.mode == "large" and player(app).frame == 2)
        await pilot.press("n")
        await until(pilot, lambda: "/else/where/faces has no exported checkpoint" in text(app))
        assert not app.faults


async def test_a_set_of_an_exported_checkpoint_is_deleted_and_comes_back(home, exported):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        sets = app.screen.query_one("#sets")
        sets.move_to(exported)
        await pilot.press("d")
        await until(pilot, lambda: exported not in sets.keys)
        assert [t.label for t in list_trash(home)] == ["samples/000009"]
        await pilot.press("u")
        await until(pilot, lambda: sets.key == exported)
        assert list_trash(home) == []


async def test_draw_again_asks_for_the_same_folder(home, exported):
    app, run = opened(home)
    async with run as pilot:
        app.store.link.answers["add"] = {"job": {"id": "000007"}, "says": [], "added": True}
        await show(app, pilot)
        app.screen.query_one("#sets").move_to(exported)
        await pilot.press("s")
        await until(pilot, lambda: "the exported folder of this set" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: any(not a.get("dry_run") for a in app.store.link.asked("add")))
        assert app.store.link.asked("add")[-1]["args"]["checkpoint"] == "/else/where/faces"


def test_scores_beside_a_set_are_those_of_the_same_exported_weights(home, exported):
    one, other = ExportPlace(home, "far-1", "5a"), ExportPlace(home, "far-1", "6b")
    for number, place, value in ((1, one, 15.0), (2, other, 99.0)):
        score = {"sliced_wasserstein": replace(SWD, value=value)}
        write_evaluation(place, 200, 2.0, "ema", score, f"00000{number}-a")
    facts = json.loads((home.samples / "000009" / "sample.json").read_text())
    assert scores_of_set(one, facts)["sliced_wasserstein"].value == 15.0


async def test_draw_again_asks_for_the_same_checkpoint(home):
    app, run = opened(home)
    async with run as pilot:
        app.store.link.answers["add"] = {"job": {"id": "000007"}, "says": [], "added": True}
        await show(app, pilot)
        await pilot.press("s")
        await until(pilot, lambda: "the checkpoint of this set" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: any(not a.get("dry_run") for a in app.store.link.asked("add")))
        assert app.store.link.asked("add")[-1]["args"]["checkpoint"] == "faces-1@200"


@pytest.mark.parametrize("file", ["pictures", "record"])
async def test_a_damaged_set_is_shown_as_what_it_is(home, file):
    getattr(home.run("faces-1").sample("000001"), file).write_bytes(b"broken")
    app, run = opened(home, (120, 30))
    async with run as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "cannot be read" in text(app))
        assert not app.faults


async def test_the_filter_narrows_the_sets(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("slash", *"ddim", "enter")
        await until(pilot, lambda: app.screen.query_one("#sets").keys == ["faces-1/000001"])


async def test_a_set_shows_scores_of_samples_drawn_in_its_way_with_their_terms(home):
    run = home.run("faces-1")
    drawn = replace(SWD, sampler="ddim", steps=10)
    for number, score in ((1, drawn), (2, replace(SWD, value=99.0)), (3, replace(drawn, value=15.0))):
        write_evaluation(run, 200, 2.0, "ema", {"sliced_wasserstein": score}, f"00000{number}-a")
    app, opening = opened(home)
    async with opening as pilot:
        await show(app, pilot)
        await until(pilot, lambda: "sliced wasserstein 15.0" in text(app))
        await until(pilot, lambda: "N=500 samples" in text(app))
        await pilot.press("j")
        await until(pilot, lambda: "sliced wasserstein" not in text(app))
    make_samples(run, "000002")
    record = run.sample("000002").record
    record.write_text(record.read_text().replace('"ddim"', '"ddpm"'))
    assert scores_of_set(run, json.loads(record.read_text()))["sliced_wasserstein"].value == 15.0, (
        "the newest"
    )


async def test_sets_of_a_studys_runs_are_folded_and_found(home):
    for name in ("size.small.s0", "size.large.s0"):
        make_samples(make_run(home, name), "000001")
    app, opening = opened(home)
    async with opening as pilot:
        await pilot.press("4")
        sets = app.screen.query_one("#sets")
        await until(pilot, lambda: "study/size" in sets.keys)
        assert len(sets.keys) == 3
        sets.move_to("study/size")
        await until(pilot, lambda: "shows the sets of this study" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(sets.keys) == 7)
        await until(pilot, lambda: "small.s0@200" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(sets.keys) == 3)
        await pilot.press("slash", *"small ddim", "enter")
        await until(pilot, lambda: [k for k in sets.keys if "/0" in k] == ["size.small.s0/000001"])
        await pilot.press("slash", "escape")
        app.screen.open("size.small.s0", "000001")
        await until(pilot, lambda: sets.key == "size.small.s0/000001")
        assert not app.faults


async def test_nearest_looks_at_the_pictures_the_run_began_with(home, monkeypatch):
    """The data set was packed again with other pictures: those are not what the run has seen."""
    from ddpm_tui.tui.state import nearest

    began = []
    monkeypatch.setattr(nearest, "pictures_of", lambda home, record: began.append(record.name) or "its own")
    monkeypatch.setattr(nearest, "open_packed", lambda folder: folder)
    assert nearest.training_data(home, "faces-1") == "its own"
    assert began == ["faces-1"]


async def test_all_faces_of_a_page_come_out_of_noise_together(home):
    sample = home.run("faces-1").sample("000001")
    trajectory = np.load(sample.trajectory)
    np.save(sample.predicted, 255 - trajectory)
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        grid = app.screen.query_one("#grid")
        finished = [np.array(picture) for picture in grid.pictures]
        await until(pilot, lambda: "noise" in text(app) and "face  2/2" in text(app))
        await pilot.press("h", "h")
        await until(pilot, lambda: "0/2" in text(app))
        assert np.array_equal(grid.pictures[0], trajectory[0, 0])
        assert np.array_equal(grid.pictures[1], trajectory[0, 1])
        assert np.array_equal(grid.pictures[5], finished[5]), "of the others nothing was kept"
        await pilot.press("p")
        await until(pilot, lambda: "predicted faces" in text(app))
        assert np.array_equal(grid.pictures[0], 255 - trajectory[0, 0])
        await pilot.press("p", "space")
        await until(pilot, lambda: "face  2/2  as they are" in text(app) and "▶" not in text(app))
        assert np.array_equal(grid.pictures[0], trajectory[2, 0])
        await pilot.press("enter", "p")
        await until(pilot, lambda: app.screen.view.mode == "large")
        assert np.array_equal(player(app).frames[0], 255 - trajectory[0, 0])
        assert not app.faults


async def test_a_set_without_predictions_says_so(home):
    app, run = opened(home)
    async with run as pilot:
        await show(app, pilot)
        await pilot.press("p")
        await until(pilot, lambda: "was not kept" in text(app))
        app.faults.clear()
