"""Compare: what is put in and taken out, each view, and subjects that are broken or gone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ddpm_tui.tui.screens.compare import CompareScreen
from ddpm_tui.tui.state import scores
from ddpm_tui.tui.state.comparing import Compared, alike, sample_sets
from ddpm_tui.tui.state.scores import newest_scores
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import Filmstrip
from engine.base.home import Home
from engine.config.profile import Profile
from engine.config.store import override_profile
from engine.runs.evaluations import write_evaluation
from engine.runs.record import create_run
from tests.ddpm_tui.fakes import empty, face, filled, make_app, save_grid
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.screens.shown import settled
from tests.ddpm_tui.tui.screens.test_queue import Opened
from tests.engine.runs.test_evaluations import SWD


class Comparing(Opened):
    async def __aenter__(self) -> "Comparing":
        self.pilot = await self._test.__aenter__()
        await self.pilot.pause()
        await self.pilot.press("6")
        await settled(self.pilot, LossChart)
        return self

    @property
    def screen(self) -> CompareScreen:
        assert isinstance(self.app.screen, CompareScreen)
        return self.app.screen


def store_samples(home: Path, run: str, name: str, step: int, seed: int = 0) -> None:
    folder = home / "runs" / run / "samples" / name
    folder.mkdir(parents=True)
    np.save(folder / "pictures.npy", np.stack([face(n) for n in range(6)]))
    record = {"checkpoint": step, "seed": seed, "sampler": "dpmpp", "steps": 20}
    (folder / "sample.json").write_text(json.dumps(record))


async def test_the_two_newest_runs_are_compared_at_first(tmp_path: Path) -> None:
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        chart = it.screen.query_one(LossChart)
        assert [s.name for s in chart.plot.series] == ["celeba32-1", "celeba32-2"]
        assert len({s.slot for s in chart.plot.series}) == 2
        assert it.app.store.followed["compare"] == {"celeba32-1", "celeba32-2"}  # type: ignore[attr-defined]


async def test_space_takes_out_and_puts_in_and_colours_stay(tmp_path: Path) -> None:
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        chart = it.screen.query_one(LossChart)
        slots = {s.name: s.slot for s in chart.plot.series}
        table = it.screen.query_one("#subjects")
        table.move_to("celeba32-1")  # type: ignore[attr-defined]
        await it.press("space")
        assert {s.name: s.slot for s in chart.plot.series} == {"celeba32-2": slots["celeba32-2"]}
        await it.press("space")
        assert {s.name: s.slot for s in chart.plot.series}["celeba32-2"] == slots["celeba32-2"]
        assert len(chart.plot.series) == 2
        table.move_to("broken-1")  # type: ignore[attr-defined]
        assert "run.json cannot be read" in await it.press("space")
        assert "puts the run under the cursor in" in await it.press("x")


async def test_runs_of_a_study_are_folded_and_those_compared_stay_in_sight(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    names = [f"size.{v}.s{n}" for v in ("small", "large") for n in (0, 1)]
    runs = tuple(replace(snapshot.runs[0], name=name) for name in names)
    async with Comparing(tmp_path, replace(snapshot, runs=(*runs, *snapshot.runs))) as it:
        table = it.screen.subjects
        assert table.keys == ["broken-1", "celeba32-2", "celeba32-1", "study/size"]
        table.move_to("study/size")
        assert "▾ size" in await it.press("enter")
        assert table.keys[4:] == ["size.large.s1", "size.large.s0", "size.small.s1", "size.small.s0"]
        await it.press("j", "space", "k", "space")
        assert table.keys[4:] == ["size.large.s1"]
        await it.press("slash", *"small")
        assert table.keys == ["study/size", "size.small.s1", "size.small.s0"]


async def test_no_runs_says_what_to_do(tmp_path: Path) -> None:
    async with Comparing(tmp_path, empty()) as it:
        assert "No runs yet." in await it.press()


async def test_profiles_show_only_what_differs(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    first = Profile()
    create_run(home, "celeba32-1", first)
    create_run(home, "celeba32-2", override_profile(first, ["optim.lr=1e-4", "training.batch_size=32"]))
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        text = await it.press("v")
        await it.pilot.pause(0.3)
        text = await it.press()
        assert "optim.lr" in text
        assert "0.0001" in text
        assert "training.batch_size" in text
        assert "optim.betas" not in text


async def test_equal_profiles_and_unreadable_ones_are_said(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    create_run(home, "celeba32-1", Profile())
    create_run(home, "celeba32-2", Profile())
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        await it.press("v")
        await it.pilot.pause(0.3)
        assert "their profiles are the same" in await it.press()
        home.run("celeba32-2").record.write_text("{")
        await it.press("x")
        it.screen._subjects = [Compared("celeba32-1"), Compared("celeba32-2")]
        it.screen.repaint()
        await it.pilot.pause(0.3)
        assert "not readable JSON" in await it.press()


async def test_faces_side_by_side_are_scrubbed_through_the_epochs(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    first = snapshot.curves["celeba32-1"]
    second = replace(
        snapshot.curves["celeba32-2"], previews=first.previews[:11], preview_paths=first.preview_paths[:11]
    )
    snapshot = replace(snapshot, curves={"celeba32-1": first, "celeba32-2": second})
    async with Comparing(tmp_path, snapshot) as it:
        await it.press("v", "v")
        await it.pilot.pause(0.4)
        film = it.screen.query_one(Filmstrip)
        assert [f.label for f in film.frames] == ["celeba32-1, epoch 12", "celeba32-2, epoch 11"]
        assert film.face == (32, 32)
        await it.press("h", "h")
        await it.pilot.pause(0.4)
        assert [f.label for f in film.frames] == ["celeba32-1, epoch 10", "celeba32-2, epoch 9"]
        await it.press("l")
        await it.pilot.pause(0.4)
        assert [f.label for f in film.frames] == ["celeba32-1, epoch 11", "celeba32-2, epoch 10"]


async def test_a_run_without_previews_is_named_among_the_faces(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    assert not snapshot.curves["celeba32-2"].previews
    async with Comparing(tmp_path, snapshot, size=(140, 40)) as it:
        await it.press("v", "v")
        await it.pilot.pause(0.4)
        assert len(it.screen.query_one(Filmstrip).frames) == 1
        assert "no previews of celeba32-2" in await it.press()


async def test_marked_checkpoints_are_compared_by_their_own_faces(tmp_path: Path) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.marked = ("celeba32-1@800", "celeba32-1@4000")
        await pilot.press("6")
        await settled(pilot, Filmstrip)
        await pilot.pause(0.4)
        film = app.screen.query_one(Filmstrip)
        assert [f.label for f in film.frames] == ["celeba32-1, epoch 2", "celeba32-1, epoch 10"]
        assert not app.marked
    assert not app.faults


async def test_runs_of_marked_checkpoints_are_overlaid_each_once_with_the_checkpoints_marked(
    tmp_path: Path,
) -> None:
    app = make_app(tmp_path, filled(tmp_path))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        app.marked = ("celeba32-1@800", "celeba32-1@4000")
        await pilot.press("6")
        await settled(pilot, LossChart)
        app.screen.query_one("#subjects").move_to("celeba32-2")  # type: ignore[attr-defined]
        await pilot.press("space", "V", "V")
        await pilot.pause(0.2)
        chart = app.screen.query_one(LossChart)
        assert chart.display
        assert [s.name for s in chart.plot.series] == ["celeba32-1", "celeba32-2"]
        assert [(m.text, m.epoch) for m in chart.plot.marks] == [("@800", 2.0), ("@4000", 10.0)]
        one, _, two = (app.screen._colour(s) for s in app.screen._subjects)  # type: ignore[attr-defined]
        slots = [chart.look().ink.bright(s.slot) for s in chart.plot.series]
        assert [one, two] == ["#{:02x}{:02x}{:02x}".format(*slot) for slot in slots]
    assert not app.faults


async def test_the_footer_says_what_the_key_does_in_each_view(tmp_path: Path) -> None:
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        assert "c chart" in await it.press()
        assert "c list" in await it.press("c")
        assert "c chart" in await it.press("c")
        assert "c scroll table" in await it.press("v")
        for _ in ("faces", "samples"):
            foot = (await it.press("v")).splitlines()[-1]
            assert "view" in foot
            assert " c " not in foot
        assert "c scroll table" in await it.press("v")
        assert "c chart" in await it.press("v")


async def test_who_has_no_samples_is_said(tmp_path: Path) -> None:
    store_samples(tmp_path, "celeba32-1", "000001", 4000)
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        await it.press("v", "v", "v")
        for _ in range(40):
            if "none of celeba32-2, s draws" in await it.press():
                break
        assert "none of celeba32-2, s draws" in await it.press()


async def test_samples_of_the_same_seed_are_preferred(tmp_path: Path) -> None:
    store_samples(tmp_path, "celeba32-1", "000001", 4000, seed=0)
    store_samples(tmp_path, "celeba32-2", "000002", 4400, seed=0)
    store_samples(tmp_path, "celeba32-2", "000003", 4400, seed=9)
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        await it.press("v", "v", "v")
        await it.pilot.pause(0.4)
        text = await it.press()
        assert "seed 0, dpmpp 20 steps" in text
        film = it.screen.query_one("#view-samples Filmstrip", Filmstrip)
        assert [f.label for f in film.frames] == ["celeba32-1@4000", "celeba32-2@4400"]


async def test_figures_and_scores_stand_beside_each_other(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for run, value in (("celeba32-1", 12.34), ("celeba32-2", 17.1)):
        folder = home.run(run)
        folder.path.mkdir(parents=True, exist_ok=True)
        score = replace(SWD, value=value, low=value - 0.4, high=value + 0.5)
        write_evaluation(folder, 4800, 9.0, "ema", {"sliced_wasserstein": score}, "a")
    (folder.evaluations / "00004800-b.json").write_text("{")
    async with Comparing(tmp_path, filled(tmp_path), (160, 40)) as it:
        await it.press("v", "v", "v", "v")
        await it.pilot.pause(0.4)
        text = await it.press()
        rows = {line[43:].split("  ")[0].strip(): line for line in text.splitlines()}
        assert "best held-out loss" in rows
        (line,) = [line for name, line in rows.items() if name.startswith("↓ sliced wasserstein")]
        assert "12.3 [11.9, 12.8]" in line
        assert "17.1 [16.7, 17.6]" in line
        said = " ".join(text.split())
        assert said.count("N=500 samples, dpmpp×20 trailing") == 1, "terms that all share are said once"
        assert "≠" not in said
        assert "00004800-b.json" in said


async def test_at_80_columns_figures_are_shorter_but_whole(tmp_path: Path) -> None:
    for run in ("celeba32-1", "celeba32-2"):
        folder = Home(tmp_path).run(run)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_evaluation(folder, 4800, 9.0, "ema", {"sliced_wasserstein": SWD}, "a")
    async with Comparing(tmp_path, filled(tmp_path), (80, 24)) as it:
        await it.press("v", "v", "v", "v")
        await it.pilot.pause(0.4)
        text = await it.press()
        (line,) = [line for line in text.splitlines() if "↓ sliced wasserstein" in line]
        assert line.count("12.3 ±0.56") == 2
        assert "…" not in line


def test_only_scores_taken_in_the_same_way_are_called_better() -> None:
    worse = replace(SWD, value=20.0)
    other = replace(SWD, value=1.0, steps=50)
    assert scores.best([SWD, worse, None]) == {0}
    assert scores.best([SWD, replace(SWD, seed=7), worse]) == {0, 1}
    assert scores.best([SWD, SWD]) == frozenset(), "all are equal"
    assert scores.best([replace(SWD, direction="higher"), replace(worse, direction="higher")]) == {1}
    assert scores.best([SWD, worse, other]) == frozenset()
    assert scores.best([SWD, replace(SWD, value=1.0, detail={"eta": 1.0})]) == frozenset()
    assert scores.best([SWD, None]) == frozenset()
    columns = [{"sliced_wasserstein": SWD}, {"sliced_wasserstein": other}]
    shared, apart = scores.terms_of(["sliced_wasserstein"], columns, ["@1", "@2"])
    assert "N=500 samples" in shared[0]
    assert "dpmpp" not in shared[0]
    assert apart == ["sliced wasserstein not comparable: @1 dpmpp×20 trailing; @2 dpmpp×50 trailing"]
    three = {"a": SWD, "b": replace(SWD, n=9), "c": replace(SWD, n=9)}
    shared, apart = scores.terms_of(list(three), [three], [""])
    assert [line.partition(":")[0] for line in shared] == ["all scores", "a", "b, c"]
    assert shared[1:] == ["a: N=500 samples", "b, c: N=9 samples"]
    assert not apart
    columns[1] = {"sliced_wasserstein": replace(SWD, weights="raw")}
    assert scores.terms_of(["sliced_wasserstein"], columns, ["@1", "@2"])[1] == [
        "sliced wasserstein: @1 ema weights; @2 raw weights"
    ]


def test_the_newest_score_is_that_of_the_last_job_whatever_the_clock_said(tmp_path: Path) -> None:
    run = Home(tmp_path).create().run("r")
    run.path.mkdir()
    first = write_evaluation(run, 20, 2.0, "ema", {"sliced_wasserstein": SWD, "kid": SWD}, "000009-5f")
    last = write_evaluation(run, 10, 1.0, "ema", {"sliced_wasserstein": replace(SWD, value=1.0)}, "000010-4a")
    for evaluation, created in ((first, "2026-05-05"), (last, "1970-01-01")):
        content = json.loads(evaluation.path.read_text()) | {"created": created}
        evaluation.path.write_text(json.dumps(content))
    found = newest_scores(run)
    assert found.step == 10
    assert [score.value for score in found.by_name.values()] == [1.0]
    assert set(newest_scores(run, 20).by_name) == {"sliced_wasserstein", "kid"}

    # What training scored of itself came before any job that was asked for, and is of fewer samples.
    write_evaluation(
        run, 20, 2.0, "ema", {"sliced_wasserstein": replace(SWD, value=9.0, n=SWD.n // 2)}, "training"
    )
    assert newest_scores(run).step == 10
    assert newest_scores(run, 20).by_name["sliced_wasserstein"] == SWD


async def test_a_run_deleted_by_somebody_else_leaves_the_comparison(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    async with Comparing(tmp_path, snapshot) as it:
        left = tuple(r for r in snapshot.runs if r.name != "celeba32-2")
        it.app.store.set(replace(snapshot, runs=left))  # type: ignore[attr-defined]
        await it.press()
        assert [s.name for s in it.screen.query_one(LossChart).plot.series] == ["celeba32-1"]


def test_damaged_sample_sets_are_left_out_and_scores_belong_to_their_step(tmp_path: Path) -> None:
    home = Home(tmp_path)
    store_samples(tmp_path, "r", "000001", 10)
    store_samples(tmp_path, "r", "000002", 20)
    (tmp_path / "runs/r/samples/000002/pictures.npy").write_bytes(b"")
    assert [s.step for s in sample_sets(home.run("r"), None)] == [10]
    assert alike([sample_sets(home.run("r"), None), []])[1] is None
    write_evaluation(home.run("r"), 10, 1.0, "ema", {"sliced_wasserstein": SWD}, "a")
    assert newest_scores(home.run("r"), 10).by_name == {"sliced_wasserstein": SWD}
    assert not newest_scores(home.run("r"), 11).by_name


async def test_one_key_draws_of_each_from_the_same_seeds(tmp_path: Path) -> None:
    async with Comparing(tmp_path, filled(tmp_path)) as it:
        await it.press("s")
        drawn = it.link.asked("add")
        assert [d["args"]["checkpoint"] for d in drawn] == ["celeba32-1@latest", "celeba32-2@latest"]
        assert {(d["args"]["n"], d["args"]["seed"]) for d in drawn} == {(16, 0)}
        await it.press("x", "s")
        assert len(it.link.asked("add")) == 2
        assert "nothing is compared" in it.app.screen.query_one("#foot").render_line(0).text


async def test_curves_have_the_faces_of_the_same_epoch_below_them(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    for epoch in range(1, 12):
        save_grid(tmp_path / f"runs/celeba32-2/previews/{epoch * 400:08d}.png", shift=3, epoch=epoch)
    steps = tuple(epoch * 400 for epoch in range(1, 12))
    paths = tuple(str(tmp_path / f"runs/celeba32-2/previews/{step:08d}.png") for step in steps)
    other = replace(snapshot.curves["celeba32-2"], previews=steps, preview_paths=paths)
    app = make_app(tmp_path, replace(snapshot, curves={**snapshot.curves, "celeba32-2": other}))
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: bool(app.screen.query("FacesBelow")))
        film = app.screen.query_one("FacesBelow")
        await until(pilot, lambda: film.display and len(film.frames) == 2)  # type: ignore[attr-defined]
        await pilot.press("c", "i", "home")
        await until(pilot, lambda: all("e1" in f.short.split() for f in film.frames))  # type: ignore[attr-defined]
    assert not app.faults
