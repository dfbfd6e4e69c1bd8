import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_tui.draw.show import load_picture, print_faces
from ddpm_tui.draw.terminal import detect
from engine.base.errors import UserError

TRUECOLOR = detect({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True, "utf-8")
PLAIN = detect({"TERM": "dumb"}, True, "latin-1")


def faces(n: int, edge: int = 16) -> list[np.ndarray]:
    return [np.full((edge, edge, 3), 10 * i, dtype=np.uint8) for i in range(n)]


def test_faces_are_printed_within_the_room_and_counted() -> None:
    out = io.StringIO()
    assert print_faces(out, faces(3), terminal=TRUECOLOR, width=60, height=10) == 3
    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert "\x1b[48;2;10;10;10m" + " " * 16 in lines[0]
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_what_does_not_fit_is_said() -> None:
    out = io.StringIO()
    assert print_faces(out, faces(9), terminal=PLAIN, width=33, height=8, title="epoch 3") == 2
    lines = out.getvalue().splitlines()
    assert lines[0] == "epoch 3"
    assert lines[-1] == "2 of 9 shown"
    assert "\x1b" not in out.getvalue()
    assert out.getvalue().isascii()


def test_no_faces_print_nothing() -> None:
    out = io.StringIO()
    assert print_faces(out, [], terminal=TRUECOLOR) == 0
    assert out.getvalue() == ""


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGBA", "P", "I;16", "LA", "1"])
def test_odd_pictures_load_as_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tiff" if mode in ("CMYK", "I;16") else "x.png")
    image = Image.new("RGBA" if mode == "LA" else mode if mode != "I;16" else "I;16", (4, 6))
    (image.convert("LA") if mode == "LA" else image).save(path)
    loaded = load_picture(path)
    assert loaded.shape == (6, 4, 3)
    assert loaded.dtype == np.uint8


def test_a_bad_picture_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"not a picture")
    with pytest.raises(UserError, match=r"bad\.png cannot be read as a picture"):
        load_picture(bad)
    with pytest.raises(UserError, match="is not there"):
        load_picture(tmp_path / "gone.png")
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"cut\.png cannot be read"):
        load_picture(cut)
