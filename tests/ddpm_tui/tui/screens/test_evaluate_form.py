"""The form that scores a checkpoint, from screen 3."""

import pytest

from engine.base.home import Home
from tests.ddpm_tui.fakes import make_app
from tests.ddpm_tui.tui.screens.homes import make_run, make_samples, snapshot, text, until


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path).create()
    make_run(home, "faces-1")
    return home


def opened(home):
    app = make_app(home.root, snapshot(home.root))
    return app, app.run_test(size=(80, 24))


async def show(app, pilot):
    await pilot.press("3")
    await until(
        pilot, lambda: app.screen.id == "checkpoints" and len(app.screen.query_one("#steps").keys) == 3
    )


def said(app) -> str:
    """The text without what wraps it."""
    return " ".join(text(app).replace("│", " ").split())


async def test_evaluating_asks_for_measures_and_says_how_long_it_takes(home):
    run = home.run("faces-1")
    make_samples(run)
    record = run.sample("000001").record
    record.write_text(record.read_text().replace('"n": 6', '"n": 6, "seconds": 12'))
    make_samples(run, "000002", n=1, kept=0)  # newer and slower: mostly starting up
    small = run.sample("000002").record
    small.write_text(small.read_text().replace('"n": 1', '"n": 1, "seconds": 30'))
    app, opening = opened(home)
    async with opening as pilot:
        app.store.link.answers["add"] = {"job": {"id": "000007"}, "says": [], "added": True}
        await show(app, pilot)
        await pilot.press("e")
        # 12 s for 6 pictures of 10 steps: 500 of 20 take 2,000 s.
        await until(pilot, lambda: "about 33 min, drawing 33 min of it" in said(app))
        assert "■ sliced wasserstein" in text(app)
        assert "□ fid" in text(app)
        await pilot.press("space", "j", "space", "j", "space")
        await until(pilot, lambda: "2 measures of 500 pictures" in said(app))
        app.screen.query_one("#field-n").value = "1"
        await until(pilot, lambda: "at least 2" in text(app))
        app.screen.query_one("#field-n").value = "60"
        app.screen.query_one("#field-sampler").value = "dppm"
        await until(pilot, lambda: "ddpm" in text(app))
        await pilot.press("enter")
        assert not app.store.link.asked("add"), "nothing is queued that cannot be scored"
        app.screen.query_one("#field-sampler").value = "ddim"
        app.screen.query_one("#field-steps").value = "1001"
        await until(pilot, lambda: "diffusion steps" in said(app))
        app.screen.query_one("#field-steps").value = "10"
        app.screen.query_one("#field-weights").value = "rwa"
        await until(pilot, lambda: "did you mean 'raw'" in said(app))
        app.screen.query_one("#field-weights").value = "raw"
        app.screen.query_one("#field-seed").value = "7"
        await until(pilot, lambda: "2 measures of 60 pictures: about 2 min 00 s" in said(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.store.link.asked("add"))
        assert app.store.link.asked("add")[-1]["args"] == {
            "checkpoint": "faces-1@300", "measures": ["sliced_wasserstein", "memorisation"],
            "n": 60, "steps": 10, "sampler": "ddim", "weights": "raw", "seed": 7,
        }  # fmt: skip


async def test_measures_without_samples_draw_none(home):
    app, opening = opened(home)
    async with opening as pilot:
        app.store.link.answers["add"] = {"job": {"id": "000007"}, "says": [], "added": True}
        await show(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: "unknown duration" in said(app))
        await pilot.press("j", "j", "j", "space", "j", "space", "enter")
        await until(pilot, lambda: app.store.link.asked("add"))
        assert app.store.link.asked("add")[-1]["args"] == {
            "checkpoint": "faces-1@300", "measures": ["val_loss", "eps_error", "bits_per_dim"], "n": 500,
            "weights": "ema", "seed": 0,
        }  # fmt: skip


async def test_a_terminal_that_shrinks_meanwhile_keeps_the_fields_in_sight(home):
    app, opening = opened(home)
    async with opening as pilot:
        await show(app, pilot)
        await pilot.press("e")
        await until(pilot, lambda: "unknown duration" in said(app))
        await pilot.resize_terminal(60, 18)
        await until(pilot, lambda: "weights ema" in text(app) and "enter do it" in text(app))
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "□ fid" in text(app) and "weights ema" in text(app))
