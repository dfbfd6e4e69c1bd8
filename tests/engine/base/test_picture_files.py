"""A picture file that cannot be used: one plain OSError whatever is wrong with it, in words about the file."""

import io
import os
from pathlib import Path

import pytest
from PIL import Image

from ddpm_tui.draw.show import load_picture
from engine.base.errors import DamagedError, UserError
from engine.base.picture_files import open_picture
from engine.figures.stages import read_preview


def png() -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "PNG")
    return file.getvalue()


BROKEN = {
    "empty": b"",
    "text": b"no picture",
    "html": b"<html><body>404</body></html>",
    "cut": png()[:900],
    "header": png()[:20],
    "altered": png()[:600] + bytes(40) + png()[640:],
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_wrong_is_said_of_the_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "00004800.png"
    path.write_bytes(BROKEN[kind])
    with pytest.raises(OSError) as caught, open_picture(path) as image:
        image.load()
    assert str(caught.value)
    assert "_io." not in str(caught.value)
    for read, error in ((load_picture, UserError), (read_preview, DamagedError)):
        with pytest.raises(error) as said:
            read(path)
        assert str(path) in str(said.value)
        assert "_io." not in str(said.value)


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(OSError, match="pipe"), open_picture(tmp_path / "pipe.png"):
        pass
    with pytest.raises(FileNotFoundError), open_picture(tmp_path / "none.png"):
        pass
