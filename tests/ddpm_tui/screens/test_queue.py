"""The queue screen: every key with what it asks of the service, the forms, and what is said about a job."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from ddpm_tui.screens.forms import NEW, SampleForm, TrainForm
from ddpm_tui.screens.log import LogLines, LogView
from ddpm_tui.widgets.table import Table
from engine.errors import UserError
from engine.home import Home
from engine.service.states import Priority, State
from tests.ddpm_tui.fakes import NOW, empty, filled, job, make_app, training
from tests.ddpm_tui.test_app import screen_text


class Opened:
    """The app with the queue shown, as a context."""

    def __init__(self, home: Path, snapshot: Any, size: tuple[int, int] = (100, 30)) -> None:
        self.app = make_app(home, snapshot)
        self.link = self.app.store.link  # type: ignore[attr-defined]
        self._test = self.app.run_test(size=size)

    async def __aenter__(self) -> "Opened":
        self.pilot = await self._test.__aenter__()
        await self.press("2")
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._test.__aexit__(*error)
        if error[0] is None:
            assert not self.app.faults

    async def press(self, *keys: str) -> str:
        """The screen after these keys."""
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()
        await self.pilot.pause(0.15)
        return screen_text(self.app)

    @property
    def table(self) -> Table:
        return self.app.screen.query_one("#jobs", Table)


async def test_jobs_are_listed_in_order_with_what_matters(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path), (130, 30)) as it:
        text = await it.press()
        rows = [line for line in text.splitlines() if "train " in line or "sample " in line]
        assert [row.split()[0] for row in rows][:6] == ["10", "11", "12", "13", "14", "15"]
        assert "50 %" in rows[2], "of the target, as on the dashboard"
        assert "13 min left" in rows[2]
        assert "at epoch 25" in rows[3]
        assert "starts when job 12 ends its chunk" in rows[3]
        assert "Starts when job 12 ends its chunk, at epoch 25, in 13 min" in await it.press("j")
        await it.press("k")
        assert "job 12 is training celeba32-1" in rows[4]
        assert it.table.key == "000012", "the cursor starts at what is going on"


@pytest.mark.parametrize("size", [(80, 24), (130, 30)])
async def test_a_worker_that_stopped_talking_is_called_silent(tmp_path: Path, size: tuple[int, int]) -> None:
    silent = job(12, State.RUNNING, started=NOW - 700, progress=training(time=NOW - 45))
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=(silent,)), size) as it:
        text = await it.press()
        row = next(line for line in text.splitlines() if "train celeba32-1 to" in line)
        assert "50 %" in row
        assert "silent" in row
        assert "left" not in text
        assert "No sign of life for 45 s" in text


async def test_what_works_stands_before_what_comes_first_by_its_priority(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    urgent = job(16, State.QUEUED, "sample", priority=Priority.HIGH, rank=0.5)
    async with Opened(tmp_path, replace(snapshot, jobs=(urgent, *snapshot.jobs)), (130, 30)) as it:
        text = await it.press()
        rows = [line.split()[0] for line in text.splitlines() if "train " in line or "sample " in line]
        assert rows[:5] == ["10", "11", "12", "16", "13"]


@pytest.mark.parametrize(
    ("number", "changes", "turn"),
    [
        (13, {}, (25, 780.0)),
        (13, {"chunk": 5, "to_epoch": 25}, (15, 780.0 * 2.56 / 12.56)),
        (13, {"chunk": 20, "to_epoch": 14}, (14, 780.0)),
        (13, {"eta_s": None}, (25, None)),
        (13, {"epoch": None}, None),
        (13, {"run": "gone"}, None),
        (13, {"wait": "waits for cpu"}, None),
        (14, {}, None),
    ],
)
def test_a_job_between_chunks_knows_its_epoch(
    tmp_path: Path, number: int, changes: dict[str, Any], turn: Any
) -> None:
    now = filled(tmp_path)
    wait, chunk, run = changes.pop("wait", None), changes.pop("chunk", 25), changes.pop("run", "celeba32-1")
    runs = (replace(now.runs[0], profile={"training": {"chunk_epochs": chunk}}),)
    jobs = [
        job(12, State.RUNNING, run=run, progress=training(**changes)),
        *(view for view in now.jobs if view.id in ("000013", "000014")),
    ]
    view = next(view for view in jobs if view.id == f"{number:06d}")
    found = replace(now, runs=runs, jobs=tuple(jobs)).turn(replace(view, wait=wait or view.wait))
    assert found == (turn and (turn[0], pytest.approx(turn[1])))


async def test_many_ended_jobs_leave_room_for_those_that_wait(tmp_path: Path) -> None:
    now = filled(tmp_path)
    old = tuple(job(100 + n, State.CANCELLED, ended=NOW - 60 - n) for n in range(30))
    async with Opened(tmp_path, replace(now, jobs=(*old, *now.jobs)), (80, 24)) as it:
        text = await it.press()
        assert it.table.key == "000012"
        assert "sample celeba32-1@latest" in text
        assert "train faces-1" in text


async def test_an_empty_queue_says_what_to_press(tmp_path: Path) -> None:
    async with Opened(tmp_path, empty()) as it:
        text = await it.press()
        assert "The queue is empty." in text
        assert "a adds training" in text
        assert "there is no run yet" in await it.press("s")
        for key in ("x", "r", "space", "J", "enter"):
            assert "no job is chosen" in await it.press(key)
        it.app.faults.clear()


@pytest.mark.parametrize(
    ("key", "moves", "verb", "job_id"),
    [
        ("space", [], "pause", "000012"),
        ("space", ["G"], "resume", "000015"),
        ("x", ["j"], "cancel", "000013"),
        ("r", ["k"], "retry", "000011"),
    ],
)
async def test_keys_ask_the_service(
    tmp_path: Path, key: str, moves: list[str], verb: str, job_id: str
) -> None:
    opposite = {"pause": "resume", "resume": "pause", "cancel": "retry", "retry": "cancel"}
    async with Opened(tmp_path, filled(tmp_path)) as it:
        await it.press(*moves, key)
        assert it.link.asked(verb) == [{"ids": [job_id]}]
        await it.press("u")
        assert it.link.asked(opposite[verb]) == [{"ids": [job_id]}]


async def test_what_cannot_be_done_is_said_and_not_asked(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        assert "job 10 is done already" in await it.press("g", "x")
        assert "r brings it back" in await it.press("space")
        assert "only waiting jobs have a place" in await it.press("J")
        assert not it.link.requests


async def test_moving_names_the_neighbour_and_can_be_undone(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        await it.press("j", "J")
        assert it.link.asked("move") == [{"ids": ["000013"], "where": "000015"}]
        await it.press("u")
        assert it.link.asked("move")[1] == {"ids": ["000013"], "where": "000014"}
        await it.press("K")
        assert it.link.asked("move")[2] == {"ids": ["000013"], "where": "000012"}
        assert "at the end already" in await it.press("G", "J")


async def test_the_whole_queue_can_be_held(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        assert "no further job is started" in await it.press("H")
        await it.press("u")
        assert it.link.asked("hold_queue") == [{"on": True}, {"on": False}]


async def test_ended_jobs_can_be_hidden_and_the_list_filtered(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        assert "000010" in it.table.keys
        await it.press("e")
        assert "000010" not in it.table.keys
        await it.press("e", "slash", "s", "a", "m", "p")
        assert it.table.keys == ["000013"]
        await it.press("enter")
        assert it.table.has_focus
        assert it.table.keys == ["000013"]
        await it.press("slash", "escape")
        assert len(it.table.keys) == 6


async def test_about_the_job_under_the_cursor(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        text = await it.press("k")
        assert "Out of memory" in text
        assert "use a smaller model" in text
        assert "to epoch 25" in text


async def test_enter_opens_the_log(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        assert "no log yet" in await it.press("enter")
        assert isinstance(it.app.screen, LogView)
        await it.press("escape")
        assert it.table.has_focus


async def test_a_long_log_shows_where_one_is_in_it(tmp_path: Path) -> None:
    log = Home(tmp_path).job("000012").log
    log.parent.mkdir(parents=True)
    log.write_text("".join(f"line {i}\n" for i in range(80)))
    async with Opened(tmp_path, filled(tmp_path)) as it:
        assert "line 79" in await it.press("enter")
        lines = it.app.screen.query_one(LogLines)

        def bar() -> list[bool]:
            return [bool(row.crop(row.cell_length - 1)._segments[0].style.reverse) for row in lines.rows]

        assert bar()[-1]
        assert not bar()[0]
        await it.press("g")
        assert bar()[0]
        assert not bar()[-1]


async def test_adding_training_says_first_what_it_will_do(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        it.link.answers["train"] = lambda **a: {
            "says": [f"{a['target']}: {a.get('chunks')} chunks"],
            "job": {"id": "000030"},
            "added": not a.get("dry_run"),
        }
        text = await it.press("a")
        assert "go on, at epoch 12" in text
        assert "celeba32-1: 1 chunks" in text
        await it.press("tab", "backspace", "2")
        assert "celeba32-1: 2 chunks" in await it.press()
        text = await it.press("enter")
        assert "queued as job 30: celeba32-1: 2 chunks" in text
        asked = it.link.asked("train")[-1]
        assert (asked["target"], asked["chunks"], "new" in asked) == ("celeba32-1", 2, False)
        assert it.app.screen.name == "queue"
        await it.press("u")
        assert it.link.asked("cancel") == [{"ids": ["000030"]}]


async def test_the_forms_ask_who_goes_first_and_say_what_that_means(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        for verb in ("train", "add"):
            it.link.answers[verb] = lambda **a: {"says": ["it"], "job": {"id": "000030"}, "added": True}
        assert "it; goes before waiting training, between the" in await it.press("s")
        *_, field = it.app.screen.query(Input)
        field.value = "soon"
        assert "'soon' is not a priority — use normal, high or now" in await it.press()
        field.value = "now"
        assert "it; goes first: a running training" in await it.press()
        await it.press("enter")
        asked = it.link.asked("add")[-1]
        assert asked["priority"] == "now"
        assert "priority" not in asked["args"]
        assert "it; goes last" in await it.press("a")
        await it.press("enter")
        assert it.link.asked("train")[-1]["priority"] == "normal"


async def test_a_profile_starts_a_new_run_to_an_epoch(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/aaa.toml").write_text('description = "of mine"\n')
    async with Opened(tmp_path, empty()) as it:
        text = await it.press("a")
        assert "new aaa" in text
        assert "of mine" in text
        it.app.screen.query_one("#field-to_epoch", Input).value = "40"
        await it.press("enter")
        asked = it.link.asked("train")[-1]
        assert (asked["target"], asked["to_epoch"], asked["new"]) == ("aaa", 40, True)
        assert "chunks" not in asked


async def test_typing_finds_what_to_queue_and_own_profiles_come_first(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/jungle.toml").write_text('description = "of mine"\n')
    async with Opened(tmp_path, filled(tmp_path)) as it:
        it.link.answers["train"] = lambda **a: {"says": [a["target"]], "job": {"id": "000030"}}
        text = await it.press("a")
        assert text.index("new jungle") < text.index("go on, at epoch 12") < text.index("new celeba32")
        assert it.app.screen.query_one(Table).key == "celeba32-1", "the run under the cursor, as before"
        text = await it.press(*"jungk")
        assert "no line has all these words" in text
        assert "nothing has that name" in text
        await it.press("enter")
        assert isinstance(it.app.screen, TrainForm), "enter does nothing where nothing is found"
        text = await it.press("backspace")
        assert "Queue training: find jung" in text
        assert "new celeba32" not in text
        await it.press("escape")
        assert it.app.screen.query_one(Table).key == "celeba32-1"
        assert "new celeba32" in await it.press()
        await it.press(*"jungl", "enter")
        assert it.link.asked("train")[-1]["target"] == "jungle"
        text = await it.press("s", *"2@best")
        assert it.app.screen.query_one(Table).keys == ["celeba32-2@best"]
        await it.press("escape", "escape")
        assert it.app.screen.name == "queue"


async def test_a_form_says_what_is_wrong_and_stays(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        it.link.answers["train"] = UserError("run 'celeba32-1' is at epoch 50 already", "train another chunk")
        assert "is at epoch 50 already" in await it.press("a")
        it.app.screen.query_one("#field-chunks", Input).value = "two"
        assert "'two' is not a whole number" in await it.press("enter")
        assert isinstance(it.app.screen, TrainForm)
        await it.press("escape")
        assert it.app.screen.name == "queue"


async def test_sampling_from_the_newest_checkpoint(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        text = await it.press("s")
        assert isinstance(it.app.screen, SampleForm)
        assert "celeba32-2@latest" in text
        assert "broken-1" not in text.split("celeba32-2@latest")[1].split("pictures")[0]
        await it.press("enter")
        asked = it.link.asked("add")[-1]
        assert asked["kind"] == "sample"
        assert asked["args"] == {"checkpoint": "celeba32-1@latest", "n": 64, "seed": 0, "trajectory": 8}


async def test_the_cursor_stays_on_its_job_while_others_come_and_go(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    async with Opened(tmp_path, snapshot) as it:
        await it.press("j", "j")
        assert it.table.key == "000014"
        jobs = (job(9, State.DONE), *[v for v in snapshot.jobs if v.id != "000013"])
        it.app.store.set(replace(snapshot, jobs=jobs))  # type: ignore[attr-defined]
        await it.press()
        assert it.table.key == "000014"


async def test_two_thousand_jobs_scroll_without_drawing_them_all(tmp_path: Path) -> None:
    jobs = tuple(job(n) for n in range(1, 2001))
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=jobs)) as it:
        await it.press("G")
        assert it.table.key == "002000"
        assert "2000" in await it.press("pageup", "pagedown")
        assert it.table.key == "002000"
        await it.press("g")
        assert it.table.key == "000001"


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("demo", "queued as job 30: demo-2: a new run from profile demo, epochs 0 → 10"),
        ("celeba64-large", "queued as job 30: train celeba64-large-2 to epoch 10"),
    ],
)
async def test_at_80_columns_what_was_queued_is_said_whole(tmp_path: Path, profile: str, said: str) -> None:
    async with Opened(tmp_path, filled(tmp_path), (80, 24)) as it:
        it.link.answers["train"] = lambda **a: {
            "says": [
                f"{profile}-2: a new run from profile {profile}, epochs 0 → 10",
                f"{profile}-2 was queued to epoch 5 already",
            ],
            "job": {"id": "000030", "title": f"train {profile}-2 to epoch 10"},
            "added": not a.get("dry_run"),
        }
        await it.press("a")
        foot = (await it.press("enter")).splitlines()[-1]
        assert foot.strip() == said


async def test_runs_of_studies_come_last_in_the_forms(tmp_path: Path) -> None:
    snapshot = filled(tmp_path)
    (tmp_path / "profiles").mkdir()
    names = [f"size.{v}.s{n}" for v in ("small", "large") for n in (0, 1)]
    branch = replace(snapshot.runs[0], name="mine-2", parent="size.small.s0")
    runs = (*snapshot.runs, *(replace(snapshot.runs[0], name=name) for name in names), branch)
    async with Opened(tmp_path, replace(snapshot, runs=runs)) as it:
        await it.press("a")
        keys = it.app.screen.query_one(Table).keys
        assert keys[:2] == ["celeba32-2", "celeba32-1"]
        assert keys[2].startswith(NEW)
        assert keys[-5:] == ["mine-2", *reversed(names)]
        await it.press("escape", "s")
        keys = it.app.screen.query_one(Table).keys
        assert keys[:2] == ["celeba32-2@latest", "celeba32-2@best"]
        assert keys[-2:] == ["size.small.s0@latest", "size.small.s0@best"]


@pytest.mark.parametrize("key", ["a", "s"])
@pytest.mark.parametrize("size", [(80, 24), (60, 18)])
async def test_a_form_shows_its_keys_however_long_its_list_is(
    tmp_path: Path, key: str, size: tuple[int, int]
) -> None:
    snapshot = filled(tmp_path)
    more = tuple(replace(snapshot.runs[0], name=f"run-{n}") for n in range(20))
    async with Opened(tmp_path, replace(snapshot, runs=(*snapshot.runs, *more)), size) as it:
        text = await it.press(key)
        assert "enter do it" in text
        assert ("celeba32-1@latest" if key == "s" else "celeba32-1  ") in text


async def test_a_paused_job_names_the_key_that_resumes_it(tmp_path: Path) -> None:
    hint = "`queue resume` goes on from the checkpoint"
    paused = job(20, State.PAUSED, reason="paused", hint=hint, ended=1.0)
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=(paused,))) as it:
        assert "space goes on from the checkpoint" in await it.press()


async def test_a_filter_says_that_it_is_one_and_escape_clears_it(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        everything = it.table.keys
        text = await it.press("slash", *"faces", "enter")
        assert it.table.keys == ["000015"]
        assert "filter faces" in text
        assert "esc clears it" in text
        text = await it.press("escape")
        assert it.table.keys == everything
        assert "filter" not in text
        await it.press("slash", *"faces", "escape", "j")
        assert it.table.keys == everything
        assert it.table.has_focus
