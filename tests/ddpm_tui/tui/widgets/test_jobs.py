"""A job in words."""

from pathlib import Path

import pytest

from ddpm_tui.tui.widgets.jobs import JobPanel, job_line
from ddpm_tui.tui.widgets.rows import to_strip
from engine.service.states import State
from tests.ddpm_tui.fakes import NOW, filled, job, training


@pytest.mark.parametrize("width", [24, 40, 46, 60])
def test_a_jobs_title_gives_way_to_where_it_stands_and_keeps_clear_of_it(tmp_path: Path, width: int) -> None:
    now = filled(tmp_path)
    for view in now.jobs:
        text = to_strip(job_line(view, width, now), width, "ddpm-dark").text
        assert len(text) == width
        assert "… " in text or "…" not in text


def test_a_bar_counts_from_where_its_job_began() -> None:
    """Epochs 100 to 125: at its first step the job is not four fifths done."""
    progress = training(done=31, total=3100, epoch=100.25, to_epoch=125)
    view = job(1, State.RUNNING, progress=progress)
    assert view.fraction == 0.01
    panel = JobPanel()
    panel.view, panel.now = view, NOW
    epochs = to_strip(list(panel.lines(100, 3))[1], 100, "ddpm-dark").text
    assert epochs.startswith("epoch 101 of 125 ")
    assert "  1 %" in epochs
    assert " this epoch  25 %" in epochs
