"""Progress in words: on a line, beside a bar, as JSON; nothing more often than it helps."""

import io
import json

import pytest
from rich.console import Console

from ddpm_tui.cli.views import (
    JSON_INTERVAL_S,
    PLAIN_INTERVAL_S,
    JsonLines,
    Plain,
    ProgressBar,
    Quiet,
    choose,
    describe,
    facts,
)
from engine.jobs.files import Progress

TRAINING = Progress(
    "training", 1525, 3050, "steps", step=1525, epoch=12.5, to_epoch=25, images_per_s=131.4, eta_s=744.0,
    loss=0.0613, lr=1e-3,
)  # fmt: skip
PACKING = Progress("packing", 4000, 8000, "pictures", text="celeba at 32 px", images_per_s=2100.0, eta_s=2.0)


def test_a_line_says_where_it_is() -> None:
    assert describe(TRAINING) == (
        "training, 50 %, 1,525 steps, epoch 12.5/25, loss 0.0613, 131 images/s, 12 min left, lr 1e-3"
    )
    assert describe(PACKING) == "packing, 50 %, 4,000 pictures, 2,100 images/s, 2 s left"
    assert describe(Progress("starting")) == "starting"


def test_beside_the_bar_there_is_room_for_little() -> None:
    assert facts(TRAINING) == ["epoch 12.5/25", "loss 0.0613", "131 images/s", "12 min left"]
    assert facts(PACKING)[0] == "4,000/8,000 pictures"
    assert facts(Progress("training", 5, 5, eta_s=0.0, epoch=1.0, to_epoch=1.0)) == ["epoch 1.0/1"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_come_at_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    view = Plain(clock)
    for _ in range(int(4 * PLAIN_INTERVAL_S)):
        clock.now += 0.5
        view.update(TRAINING)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_json_lines_come_at_intervals_and_at_new_phases(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    view = JsonLines(clock)
    for _ in range(10):
        clock.now += JSON_INTERVAL_S / 5
        view.update(PACKING)
    view.update(TRAINING)
    view.line("epoch 1")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("phase") for line in lines] == ["packing", "packing", "training", None]
    assert lines[-1] == {"event": "log", "text": "epoch 1"}
    assert lines[2]["to_epoch"] == 25


@pytest.mark.parametrize("progress", [TRAINING, PACKING, Progress("compiling", text="compiling the network")])
def test_the_bar_fits_80_columns(progress: Progress) -> None:
    stream = io.StringIO()
    view = ProgressBar(stream)
    view._console = Console(file=stream, force_terminal=True, width=80, highlight=False, color_system=None)
    view.update(progress)
    bars = view._bars
    assert bars is not None
    bars.refresh()
    shown = "".join(segment.text for segment in view._console.render(bars.get_renderable()))
    view.close()
    lines = shown.rstrip("\n").split("\n")
    assert len(lines) == 1
    assert len(lines[0]) <= 80
    for fact in facts(progress):
        assert fact in lines[0]
    bar = sum(lines[0].count(piece) for piece in "━╸╺")
    assert bar >= 5, "half of it is done, and without colours only that half is drawn"
    assert not facts(progress) or len(lines[0].rstrip()) == 80, "the bar takes the room that is left"


def test_what_is_shown_depends_on_where_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(choose(json_lines=True), JsonLines)
    assert type(choose(quiet=True)) is Quiet
    assert isinstance(choose(), Plain)

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdout", Screen())
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(choose(), ProgressBar)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(choose(), Plain)
