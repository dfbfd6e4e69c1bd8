"""The forms over the queue: what they offer, what they say before anything is queued, and what they ask for."""

from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Paste
from textual.widgets import Input

from ddpm_tui.tui.screens.forms import NEW, SampleForm, TrainForm
from ddpm_tui.tui.widgets.table import Table
from engine.base.errors import UserError
from tests.ddpm_tui.fakes import empty, filled
from tests.ddpm_tui.tui.screens.shown import Opened


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
        for text in ("9" * 5000, "1000000001", "0", "1e3"):
            it.app.screen.query_one("#field-chunks", Input).value = text
            said = await it.press("enter")
            assert "is not a whole number" in said, said
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


async def test_a_refused_enter_leaves_the_form_as_it_is(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        refusal = UserError("run 'celeba32-1' is full", "prune it")
        it.link.answers["train"] = lambda **a: _or_raise(refusal, a.get("dry_run"))
        await it.press("a", "tab", "backspace", "7")
        text = await it.press("enter")
        assert "run 'celeba32-1' is full" in text
        assert "prune it" in text
        assert isinstance(it.app.screen, TrainForm)
        assert it.app.screen.query_one("#field-chunks", Input).value == "7"
        it.link.answers["train"] = {"added": True, "job": {"id": "000030"}, "says": ["it"]}
        await it.press("enter")
        assert it.app.screen.name == "queue"
        assert it.link.asked("train")[-1]["chunks"] == 7


def _or_raise(error: Exception, dry_run: object) -> dict[str, object]:
    if not dry_run:
        raise error
    return {"says": ["as asked"]}


async def test_a_paste_by_mistake_is_not_taken(tmp_path: Path) -> None:
    async with Opened(tmp_path, filled(tmp_path)) as it:
        await it.press("a", "tab")
        for words in ("x" * 100_000, "y" * 1_000_000, "\n\n" + "z" * 2000 + "\n"):
            it.app.post_message(Paste(words))
            text = await it.press()
            assert "nothing was pasted" in text
            assert "go on, at epoch 12" in text, "the dialog is in sight"
        it.app.post_message(Paste("\n 1\t2\x1b[A\n3"))
        await it.press()
        assert it.app.screen.query_one("#field-chunks", Input).value == " 1 2[A"
