"""Editing jobs: what they keep, what stays as it was, and what they refuse."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.base.errors import UserError
from engine.base.home import Home
from engine.data.decode import decode
from engine.jobs.context import Work
from engine.jobs.files import Result, new_job_folder, read_spec
from engine.sampling.edit_job import run_editing
from tests.engine.sampling.test_guided import asked, checkpoint, near, pictures
from tests.tiny import make_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Run `told` that knows attributes, `plain` that knows none."""
    home = Home(tmp_path_factory.mktemp("edits")).create()
    checkpoint(make_run(home, "told", labels={"kind": "attributes", "names": ["Smiling", "Hat"]}), 7, 1, 10)
    checkpoint(make_run(home, "plain"), 7, 1, 50)
    return home


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Of another size and form than the network's."""
    y, x = np.mgrid[:60, :90]
    pixels = np.stack([x * 2, y * 4, (x + y) % 256], axis=-1).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    return path


def edited(home: Home, edit: dict[str, Any], run: str = "told", **args: Any) -> Result:
    args = {"checkpoint": f"{run}@latest", "n": 3, "edit": edit, **args}
    folder = new_job_folder(home, "edit", run, args, "cpu", foreground=True)
    return run_editing(Work(home, folder, read_spec(folder), io.StringIO()))


def test_a_sweep_has_a_row_for_each_seed_and_its_ends_are_what_was_asked_for(
    home: Home, tmp_path: Path
) -> None:
    gif = tmp_path / "sweep.gif"
    done = edited(
        home, {"what": "sweep", "name": "smiling", "positions": 5, "gif": str(gif)}, labels=["hat=1"]
    )
    found = pictures(done).reshape(3, 5, 16, 16, 3)
    assert near(found[:, 0], pictures(asked(home, "smiling=-1,hat=1")))
    assert near(found[:, 2], pictures(asked(home, "hat=1")))
    assert near(found[:, 4], pictures(asked(home, "smiling=1,hat=1")))
    record = json.loads((Path(done.extra["folder"]) / "sample.json").read_text())
    assert (record["edit"]["what"], record["edit"]["columns"], record["n"]) == ("sweep", 5, 15)
    with Image.open(Path(done.extra["grid"])) as grid:
        assert grid.width > grid.height
    with Image.open(gif) as moving:
        assert moving.n_frames == 8  # type: ignore[attr-defined]


def test_a_morph_between_seeds_begins_and_ends_with_their_pictures(home: Home) -> None:
    found = pictures(edited(home, {"what": "morph", "seeds": [3, 8], "positions": 4}, run="plain"))
    ends = [pictures(asked(home, run="plain", seed=seed, n=1))[0] for seed in (3, 8)]
    assert near(found[0], ends[0])
    assert near(found[-1], ends[1])
    assert not near(found[1], found[2])


def test_a_morph_between_pictures_begins_and_ends_with_them(home: Home, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGBA", (20, 20), (200, 40, 90, 255)).save(other)
    wanted = {"what": "morph", "pictures": [str(photo), str(other)], "positions": 3}
    found = pictures(edited(home, wanted, run="plain", steps=50)).astype(int)
    for end, path in ((found[0], photo), (found[-1], other)):
        known = decode(path.read_bytes(), "whole", 16).pixels.transpose(1, 2, 0)
        assert np.abs(end - known).mean() < 3


def test_outside_of_the_mask_every_byte_stays(home: Home, photo: Path) -> None:
    known = decode(photo.read_bytes(), "whole", 16).pixels.transpose(1, 2, 0)
    found = pictures(
        edited(home, {"what": "inpaint", "pictures": [str(photo)], "box": [4, 3, 6, 5], "repeats": 2})
    )
    hole = np.zeros((16, 16), bool)
    hole[3:8, 4:10] = True
    assert (found[:, ~hole] == known[~hole]).all()
    assert not (found[:, hole] == known[hole]).all()
    assert not near(found[0], found[1])


def test_a_mask_from_a_file(home: Home, photo: Path, tmp_path: Path) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    known = decode(photo.read_bytes(), "whole", 16).pixels.transpose(1, 2, 0)
    wanted = {"what": "inpaint", "pictures": [str(photo)], "mask": str(tmp_path / "mask.png"), "repeats": 1}
    found = pictures(edited(home, wanted))
    assert (found[:, :, :8] == known[:, :8]).all()
    assert not (found[:, :, 8:] == known[:, 8:]).all()


def test_little_strength_changes_little(home: Home, photo: Path) -> None:
    known = decode(photo.read_bytes(), "whole", 16).pixels.transpose(1, 2, 0).astype(int)
    wanted = {"what": "vary", "pictures": [str(photo)]}
    little, much = (
        np.abs(
            pictures(edited(home, {**wanted, "strength": s}, steps=50, run="plain")).astype(int) - known
        ).mean()
        for s in (0.02, 1.0)
    )
    assert little < much / 3


@pytest.mark.parametrize(
    ("edit", "run", "said"),
    [
        ({"what": "sweep", "name": "smiling"}, "plain", "needs a run that has learned attributes"),
        ({"what": "sweep", "name": "smilling"}, "told", "did you mean 'smiling'"),
        ({"what": "morph", "seeds": [1]}, "told", "between two seeds or two pictures"),
        ({"what": "vary", "pictures": ["/nowhere.png"]}, "told", "there is no such file"),
        (
            {"what": "inpaint", "pictures": ["PHOTO"], "box": [10, 10, 10, 2]},
            "told",
            "is not within the 16×16",
        ),
        (
            {"what": "inpaint", "pictures": ["PHOTO"], "box": [0, 0, 16, 16]},
            "told",
            "covers all of the picture",
        ),
        ({"what": "inpaint", "pictures": ["PHOTO"]}, "told", "what is to be drawn anew"),
        ({"what": "inpaint", "pictures": ["PHOTO"], "mask": "PHOTO"}, "told", "has 90×60 pixels"),
        ({"what": "vary", "pictures": ["TEXT"]}, "told", "cannot be used"),
    ],
)
def test_what_cannot_be_edited_is_refused_in_a_line(
    home: Home, photo: Path, tmp_path: Path, edit: dict[str, Any], run: str, said: str
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    places = {"PHOTO": str(photo), "TEXT": str(tmp_path / "text.png")}
    edit = {
        key: [places.get(one, one) for one in value] if key == "pictures" else places.get(str(value), value)
        for key, value in edit.items()
    }
    with pytest.raises(UserError, match=said) as found:
        edited(home, edit, run=run)
    assert "\n" not in str(found.value)
