"""A job in words."""

from pathlib import Path

import pytest

from ddpm_tui.widgets.jobs import job_line
from ddpm_tui.widgets.rows import to_strip
from tests.ddpm_tui.fakes import filled


@pytest.mark.parametrize("width", [24, 40, 46, 60])
def test_a_jobs_title_gives_way_to_where_it_stands_and_keeps_clear_of_it(tmp_path: Path, width: int) -> None:
    now = filled(tmp_path)
    for view in now.jobs:
        text = to_strip(job_line(view, width, now), width, "ddpm-dark").text
        assert len(text) == width
        assert "… " in text or "…" not in text
