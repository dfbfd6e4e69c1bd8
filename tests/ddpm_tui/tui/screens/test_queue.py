"""The queue screen: every key with what it asks of the service, and what is said about a job."""

from dataclasses import replace
from pathlib import Path

import pytest

from ddpm_tui.tui.screens.log import LogLines, LogView
from ddpm_tui.tui.state.snapshot import EngineStatus
from ddpm_tui.tui.widgets.chart import LossChart
from ddpm_tui.tui.widgets.face_grid import FaceGrid
from ddpm_tui.words import clock
from engine.base.home import Home
from engine.service.states import Priority, State
from tests.ddpm_tui.fakes import NOW, empty, filled, job, training
from tests.ddpm_tui.tui.screens.homes import until
from tests.ddpm_tui.tui.screens.shown import Opened, settled
from tests.ddpm_tui.tui.test_app import screen_text


async def test_jobs_are_listed_in_order_with_what_matters(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path), (230, 30)) as it:
        text = await it.press()
        rows = [line for line in text.splitlines() if "train " in line or "sample " in line]
        assert [row.split()[0] for row in rows][:6] == ["10", "11", "12", "13", "14", "15"]
        assert "50 %" in rows[2], "of the target, as on the dashboard"
        assert "13 min left" in rows[2]
        assert "at epoch 25" in rows[3]
        assert "at epoch 25: starts when job" in rows[3]
        assert "Starts when job 12 ends its chunk, at epoch 25, in 13 min" in await it.press("j")
        await it.press("k")
        assert "job 12 is training celeba32-1" in rows[4]
        assert it.table.key == "000012", "the cursor starts at what is going on"


@pytest.mark.parametrize("size", [(80, 24), (130, 30)])
async def test_a_worker_that_stopped_talking_is_called_silent(tmp_path: Path, size: tuple[int, int]) -> None:
    silent = job(12, State.RUNNING, started=NOW - 700, progress=training(time=NOW - 45))
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=(silent,)), size) as it:
        text = await it.press()
        row = next(line for line in text.splitlines() if "train celeba32-1 →25" in line)
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
        assert "only waiting jobs can be moved" in await it.press("J")
        assert not it.link.requests


async def test_moving_names_the_neighbour_and_can_be_undone(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        await it.press("j", "J")
        assert it.link.asked("move") == [{"ids": ["000013"], "where": "000015"}]
        await it.press("u")
        assert it.link.asked("move")[1] == {"ids": ["000013"], "where": "000014"}
        await it.press("K")
        assert it.link.asked("move")[2] == {"ids": ["000013"], "where": "000012"}
        assert "already the last" in await it.press("G", "J")


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
        assert "2 ended ✓1 ✗1" in await it.press()
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


async def test_epochs_of_a_job_are_whole_numbers(tmp_path: Path) -> None:
    one = job(1, State.QUEUED, args={"to_epoch": 3, "from_epoch": 2.0})
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=(one,))) as it:
        text = await it.press()
        assert "from epoch 2" in text
        assert "2.0" not in text


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


async def test_several_jobs_are_one_thing_to_take_back(tmp_path: Path) -> None:
    jobs = tuple(job(n, State.QUEUED) for n in range(1, 6))
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=jobs), (100, 30)) as it:
        await it.press("m", "m", "m", "x")
        assert it.link.asked("cancel") == [{"ids": ["000001", "000002", "000003"]}]
        await it.press("u")
        assert it.link.asked("retry") == [{"ids": ["000001", "000002", "000003"]}]


async def test_what_does_not_take_a_verb_stops_no_other(tmp_path: Path) -> None:
    jobs = (job(1, State.QUEUED), job(2, State.QUEUED), job(3, State.QUEUED))
    async with Opened(tmp_path, replace(filled(tmp_path), jobs=jobs), (100, 30)) as it:
        it.link.answers["cancel"] = [{"error": None}, {"error": "job 2 is done"}]
        assert "1 job not changed: job 2 is done" in await it.press("m", "m", "x")
        await it.press("u", "y")
        assert it.link.asked("retry") == [{"ids": ["000001"]}], "only what was cancelled comes back"
        assert "2 marked" in await it.press()
        assert "marked" not in (await it.press("M")).splitlines()[1]


async def test_where_there_is_room_the_job_has_its_curve_faces_log_and_command_beside_it(
    tmp_path: Path,
) -> None:
    log = Home(tmp_path).job("000012").log
    log.parent.mkdir(parents=True)
    log.write_text("step 4976\n")
    async with Opened(tmp_path, filled(tmp_path), (160, 45)) as it:
        await settled(it.pilot, LossChart, FaceGrid)
        await until(it.pilot, lambda: "step 4976" in screen_text(it.app))
        text = screen_text(it.app)
        assert "loss of celeba32-1" in text
        assert "faces after epoch" in text or "newest faces" in text
        assert "$ ddpm-tui queue train celeba32-1 --to-epoch 25" in text
        assert it.app.store.followed["queue"] == {"celeba32-1"}  # type: ignore[attr-defined]
    async with Opened(tmp_path, filled(tmp_path), (80, 24)) as it:
        assert "$ ddpm-tui queue train celeba32-1 --to-epoch 25" in await it.press()
        assert it.app.store.followed["queue"] == frozenset(), "what is not shown is not read"  # type: ignore[attr-defined]


async def test_the_queue_says_when_each_job_starts_and_when_all_is_done(tmp_path: Path) -> None:
    ended = job(
        1, State.DONE, "sample", started=NOW - 100, ended=NOW - 40, args={"checkpoint": "a@latest", "n": 64}
    )
    going = job(2, State.RUNNING, started=NOW - 700, progress=training(eta_s=600.0))
    waits = job(
        3, State.QUEUED, "sample", run="b-1", args={"checkpoint": "b-1@9", "n": 128, "steps": 10, "seed": 4}
    )
    snapshot = replace(
        filled(tmp_path), jobs=(ended, going, waits), engine=EngineStatus("connected", slots=("cpu",))
    )
    async with Opened(tmp_path, snapshot, (190, 28)) as it:
        text = await it.press()
        row = next(line for line in text.splitlines() if "sample b-1@9" in line)
        assert "×128 10 steps seed 4" in row
        assert clock(NOW + 600) in row
        going_on = next(line for line in text.splitlines() if "train celeba32-1" in line)
        assert f"{clock(NOW - 700)} {clock(NOW + 600)}" in going_on
