"""`sample --show`: faces that can be looked at, whatever the terminal's size."""

import os
from pathlib import Path

import numpy as np
import pytest

from ddpm_tui.cli.sample import show_pictures
from engine.jobs.files import Result


@pytest.mark.parametrize(
    ("n", "size", "terminal", "across", "shown"),
    [
        (4, 32, (160, 40), 32, 4),  # all fit as they are
        (12, 32, (110, 34), 32, 9),  # three to a row, three rows, and it scrolls
        (64, 32, (80, 24), 32, 6),
        (64, 32, (240, 60), 32, 21),
        (64, 64, (120, 40), 32, 9),  # halved, not quartered
        (1, 64, (120, 40), 64, 1),
        (3, 16, (80, 24), 16, 3),
        (2, 32, (20, 24), 20, 2),  # a narrow one takes what it can
    ],
)
def test_faces_keep_their_features(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    n: int,
    size: int,
    terminal: tuple[int, int],
    across: int,
    shown: int,
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size(terminal))
    monkeypatch.setenv("NO_COLOR", "1")
    white = np.full((n, size, size, 3), 255, np.uint8)
    np.save(tmp_path / "pictures.npy", white)
    show_pictures(Result("done", 0, extra={"folder": str(tmp_path)}))
    lines = capsys.readouterr().out.splitlines()
    if shown < n:
        assert lines.pop() == f"{shown} of {n} shown"
    assert max(map(len, lines)) <= terminal[0]
    assert len(lines[0].split(" ")[0]) == across
    assert sum(len(line) for line in lines if line.strip()) // (across * (across // 2)) >= shown * 0.9
