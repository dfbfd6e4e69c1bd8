"""Screen 3 by its keys, on real folders."""

import json

import pytest

from ddpm_tui.tui.screens.checkpoint_faces import CheckpointFaces
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.runs.branch import branch_run
from engine.runs.checkpoints import list_checkpoints, resolve, set_tag
from engine.runs.evaluations import Reference, Score, write_evaluation
from tests.ddpm_tui.fakes import empty, make_app
from tests.ddpm_tui.tui.screens.checkpoints_shown import opened, show, shown, steps
from tests.ddpm_tui.tui.screens.homes import make_run, text, until
from tests.engine.runs.test_evaluations import SWD


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    return home


async def test_a_preview_that_comes_too_late_is_not_shown(home):
    async with shown(home) as (app, pilot):
        await until(pilot, lambda: "▀" in text(app))
        faces, grid = app.screen.query_one(CheckpointFaces), app.screen.query_one(FaceGrid)
        faces.show(home.run("faces-1"), list_checkpoints(home.run("faces-1"))[0])
        faces.show(None)
        await pilot.pause(0.5)
        assert not grid.pictures
        assert "▀" not in text(app)
        assert not app.faults


async def test_shows_checkpoints_newest_first_with_the_best_and_the_preview(home):
    async with shown(home) as (app, pilot):
        assert steps(app) == ["300", "200", "100"]
        assert "best" in text(app)
        assert "19,200 pictures seen" in text(app)
        await until(pilot, lambda: "▀" in text(app))
        assert not app.faults


async def test_a_large_terminal_shows_large_faces_and_all_that_is_known(home):
    run = home.run("faces-1")
    async with shown(home, (200, 50)) as (app, pilot):
        await until(pilot, lambda: "no scores yet" in text(app))
        grid = app.screen.query_one("#faces FaceGrid")
        await until(pilot, lambda: grid.pictures)
        assert grid._layout(*grid.content_size).width >= 32, "not below their own size"
        assert "held-out loss 0.25" in text(app)
        write_evaluation(run, 300, 3.0, "ema", {"sliced_wasserstein": SWD}, "a")
        await pilot.press("j", "k")
        await until(pilot, lambda: "sliced wasserstein 12.3 [12.0, 12.9]" in text(app))
        assert not app.faults
        await pilot.resize_terminal(120, 30)
        await until(pilot, lambda: "sliced wasserstein" not in text(app))
        await until(pilot, lambda: "19,200 pictures seen" in text(app))


async def test_an_empty_machine_says_what_to_press(tmp_path):
    app = make_app(tmp_path, empty())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "No run yet." in text(app))
        assert "5 picks a profile" in text(app)


async def test_a_damaged_checkpoint_is_shown_as_damaged_and_refuses(home):
    (home.run("faces-1").checkpoint(200).path / "ema.safetensors").write_bytes(b"x")
    async with shown(home, (120, 30)) as (app, pilot):
        await pilot.press("j")
        await until(pilot, lambda: "damaged: ema.safetensors is truncated (1 of 7 bytes)" in text(app))
        await pilot.press("s")
        await until(pilot, lambda: "checkpoint 200 is damaged" in text(app))
        assert app.screen.id == "checkpoints"
        assert not app.faults


async def test_a_checkpoint_between_epochs_shows_the_newest_preview_before_it(home):
    run = home.run("faces-1")
    run.preview(300).unlink()
    async with shown(home, (100, 30)) as (app, pilot):
        await until(pilot, lambda: "preview of epoch 2" in text(app) and "▀" in text(app))
        await pilot.press("j")
        await until(pilot, lambda: "preview of epoch 2" not in text(app))
        run.preview(100).unlink()
        run.preview(200).unlink()
        await pilot.press("j")
        await until(pilot, lambda: "no preview yet" in text(app))


async def test_a_branch_without_previews_shows_its_parents_up_to_where_it_began(home):
    branch_run(home, home.run("faces-1"), resolve(home, "faces-1@200")[1], [], "twig")
    async with shown(home, (100, 30)) as (app, pilot):
        await until(pilot, lambda: "▀" in text(app))
        assert "parent's faces" not in text(app)
        app.screen.query_one("#runs").move_to("twig")
        await until(pilot, lambda: "parent's faces, epoch 2" in text(app) and "▀" in text(app))
        assert not app.faults


async def test_sample_and_evaluate_ask_for_the_checkpoint_under_the_cursor(home):
    app, run = opened(home)
    async with run as pilot:
        app.store.link.answers["add"] = {"job": {"id": "000007"}, "says": ["64 pictures"], "added": True}
        await show(app, pilot)
        await pilot.press("j", "s")
        await until(pilot, lambda: "Queue drawing pictures" in text(app) and "faces-1@200" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: any(not a.get("dry_run") for a in app.store.link.asked("add")))
        assert app.store.link.asked("add")[-1]["args"]["checkpoint"] == "faces-1@200"
        app.store.link.answers["add"] = UserError("evaluation is not part of this build")
        await pilot.press("e")
        await until(pilot, lambda: "Score faces-1@200" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "evaluation is not part of this build" in text(app))
        assert app.store.link.asked("add")[-1]["kind"] == "evaluate"


async def test_train_on_queues_the_run(home):
    app, run = opened(home)
    async with run as pilot:
        app.store.link.answers["train"] = {"job": {"id": "000008"}, "says": ["to epoch 28"], "added": True}
        await show(app, pilot)
        await pilot.press("a")
        await until(pilot, lambda: "go on, at epoch 3" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: any(not a.get("dry_run") for a in app.store.link.asked("train")))
        assert app.store.link.asked("train")[-1]["target"] == "faces-1"


async def test_two_marked_go_to_the_compare_screen(home):
    async with shown(home) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: "mark two checkpoints first" in text(app))
        await pilot.press("space", "j", "j", "space")
        await until(pilot, lambda: "marked faces-1@300, faces-1@100" in text(app))
        await pilot.press("c")
        await until(pilot, lambda: app.current_mode == "compare")
        await until(pilot, lambda: "faces-1@300" in text(app) and "faces-1@100" in text(app))


async def test_verify_reads_every_byte(home):
    (home.run("faces-1").checkpoint(300).path / "ema.safetensors").write_bytes(b"AVERAGE")
    async with shown(home, (120, 30)) as (app, pilot):
        await pilot.press("v")
        await until(pilot, lambda: "SHA-256 differs" in text(app))
        await pilot.press("j", "v")
        await until(pilot, lambda: "faces-1@200 is intact" in text(app))


async def test_enter_shows_all_facts_and_escape_leaves(home):
    async with shown(home) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "held-out loss" in text(app) and "ema.safetensors" in text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "held-out loss" not in text(app))


async def test_filter_keeps_lines_with_all_words(home):
    async with shown(home) as (app, pilot):
        await pilot.press("slash", *"best", "enter")
        await until(pilot, lambda: steps(app) == ["200"])


async def test_at_80_columns_best_tag_and_chunk_end_are_whole(home):
    run = home.run("faces-1")
    set_tag(run, "ok", 200)
    path = run.checkpoint(200).manifest
    manifest = json.loads(path.read_text())
    assert manifest["chunk_end"] is False
    write_sealed(path, manifest | {"chunk_end": True})
    async with shown(home) as (app, pilot):
        await until(pilot, lambda: "★ best ok chunk" in text(app))
        # The size is below where its column has no room.
        await until(pilot, lambda: "   12 B" in text(app))


async def test_runs_of_a_study_are_folded_under_its_name(home):
    for name in ("size.small.s0", "size.small.s1", "size.large.s0"):
        make_run(home, name, (100,))
    async with shown(home, (120, 30)) as (app, pilot):
        runs = app.screen.query_one("#runs")
        assert runs.keys == ["faces-1", "study/size"]
        runs.focus()
        await pilot.press("j")
        await until(pilot, lambda: "a study of 3 runs" in text(app))
        assert "ddpm-tui study report size" in text(app)
        await pilot.press("s")
        await until(pilot, lambda: "study size is many runs" in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: len(runs.keys) == 5)
        await pilot.press("j")
        await until(pilot, lambda: steps(app) == ["100"])
        await pilot.press("k", "enter", "slash", *"small", "enter")
        await until(pilot, lambda: len(runs.keys) == 3)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: runs.keys == ["faces-1", "study/size"])
        app.screen.open("size.large.s0", 100)
        await until(pilot, lambda: runs.key == "size.large.s0")
        assert not app.faults


async def test_two_thousand_checkpoints_are_a_list_like_any_other(home):
    run = home.run("faces-1")
    manifest = run.checkpoint(300).manifest.read_text()
    for step in range(301, 2298):
        folder = run.checkpoint(step).path
        folder.mkdir()
        (folder / "manifest.json").write_text(
            manifest.replace('"step": 300', f'"step": {step}').replace('"files"', '"old"')
        )
    assert len(list_checkpoints(run)) == 2000
    async with shown(home, count=2000) as (app, pilot):
        await pilot.press("G")
        await until(pilot, lambda: app.screen.query_one("#steps").key == "100")
        assert text(app).count("\n") == 23
        assert not app.faults


async def test_details_show_every_score_with_its_terms(home):
    run = home.run("faces-1")
    reference = Reference("faces", "held_out", 200, "abc")
    common = {
        "low": None,
        "high": None,
        "direction": "lower",
        "extractor": None,
        "recipe": "center178",
        "size": 32,
    }
    common |= {"seed": 0, "weights": "ema", "reference": reference, "seconds": 1.0}
    scores = {
        "val_loss": Score("val_loss", 0.25, n=200, unit="", sampler=None, steps=None, spacing=None, **common),
        "sliced_wasserstein": Score(
            "sliced_wasserstein", 12.3, n=500, unit="", sampler="dpmpp", steps=20, spacing="logsnr", **common
        ),
    }  # fmt: skip
    write_evaluation(run, 300, 3.0, "ema", scores, "000007")
    (run.evaluations / "00000300-000008.json").write_text("no scores")
    async with shown(home, (100, 40)) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "sliced_wasserstein" in text(app))
        said = " ".join(text(app).replace("│", " ").split())
        for term in ("12.3", "N=500 samples", "dpmpp×20 logsnr", "against 200 held-out pictures of faces"):
            assert term in said
        assert "00000300-000008.json" in said
        await pilot.press("escape", "j", "enter")
        await until(pilot, lambda: "faces-1@200" in text(app) and "torch" in text(app))
        assert "sliced_wasserstein" not in text(app)
        assert not app.faults
