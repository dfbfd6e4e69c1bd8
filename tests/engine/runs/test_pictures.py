"""A run stays with the pictures it began with when its data set is added again with others."""

import re
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from PIL import Image

from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.trash import find_trashed, restore
from engine.config.store import override_profile
from engine.data.catalog import add_source, remove_source
from engine.data.manifest import load_manifest
from engine.data.packing import pack
from engine.runs.branch import branch_run
from engine.runs.checkpoints import resolve
from engine.runs.pictures import packed_for, pictures_of, require_pictures, runs_on
from engine.runs.record import freeze, load_run
from tests.torchless import trained_run

DATA = {"dataset": "cats", "size": 8, "recipe": "whole", "limit": None}


def paint(folder: Path, count: int) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(count):
        Image.new("RGB", (8, 8), (index, 10, 200)).save(folder / f"{index:03d}.png")
    return folder


@pytest.fixture
def cats(home: Home, tmp_path: Path) -> Path:
    """A run "r" that began with 6 pictures of "cats", which has 9 by now."""
    folder = paint(tmp_path / "cats", 6)
    add_source(home, folder, "cats")
    packed = pack(home, "cats", 8, "whole", processes=1)
    manifest = load_manifest(packed)
    note = {"folder": packed.path.name, "sha256": manifest.identity, "train": manifest.train}
    trained_run(home, "r", 2, data={k: v for k, v in DATA.items() if v is not None})
    freeze(home.run("r"), data={**note, "fingerprint": manifest.fingerprint})
    add_source(home, paint(folder, 9), "cats")
    return folder


def test_the_pictures_it_began_with(home: Home, cats: Path) -> None:
    assert load_manifest(pictures_of(home, load_run(home, "r"))).count == 6
    newest = packed_for(home, DATA, {})
    assert not newest.manifest.exists()
    assert newest == pack(home, "cats", 8, "whole", processes=1)
    assert load_manifest(pictures_of(home, load_run(home, "r"))).count == 6
    assert load_manifest(packed_for(home, DATA, {})).count == 9


def test_a_branch_keeps_its_parents_pictures(home: Home, cats: Path) -> None:
    branch_run(home, *resolve(home, "r@latest"), ["optim.lr=1e-6", "training.batch_size=4"], "b")
    assert pictures_of(home, load_run(home, "b")) == pictures_of(home, load_run(home, "r"))
    assert load_manifest(pictures_of(home, load_run(home, "b"))).count == 6


def test_gone_for_good_is_one_clear_line(home: Home, cats: Path) -> None:
    shutil.rmtree(pictures_of(home, load_run(home, "r")).path)
    with pytest.raises(UserError) as caught:
        pictures_of(home, load_run(home, "r"))
    assert str(caught.value) == (
        "the pictures that run 'r' began with are gone, and data set 'cats' has others now — "
        "bring them back and `data add` them again, or start a new run"
    )


def test_in_the_trash_it_says_so(home: Home, cats: Path) -> None:
    kept = pictures_of(home, load_run(home, "r")).path
    remove_source(home, "cats")
    add_source(home, cats, "cats")
    with pytest.raises(UserError, match=f"`ddpm-tui trash restore {kept.name}` brings them back"):
        pictures_of(home, load_run(home, "r"))


def test_in_the_trash_with_its_data_set(home: Home, cats: Path) -> None:
    record = load_run(home, "r")
    kept = pictures_of(home, record).path
    assert runs_on(home, "cats") == ["r"]
    assert runs_on(home, "dogs") == []
    remove_source(home, "cats")
    with pytest.raises(UserError) as caught:
        pictures_of(home, record)
    assert str(caught.value) == (
        f"the pictures of run 'r' are in the trash — `ddpm-tui trash restore {kept.name}` brings them back"
    )
    restore(find_trashed(home, kept.name, "data"))
    assert pictures_of(home, record).path == kept


def test_packed_again_where_the_data_set_is_as_it_was(home: Home, cats: Path) -> None:
    folder = pictures_of(home, load_run(home, "r"))
    shutil.rmtree(folder.path)
    for name in ("006", "007", "008"):
        (cats / f"{name}.png").unlink()
    add_source(home, cats, "cats")
    assert pictures_of(home, load_run(home, "r")) == folder
    assert pack(home, "cats", 8, "whole", processes=1) == folder


def test_an_older_run_is_known_by_its_folder(home: Home, cats: Path) -> None:
    frozen = dict(load_run(home, "r").frozen)
    del frozen["data"]["fingerprint"]
    kept = packed_for(home, DATA, frozen)
    assert load_manifest(kept).count == 6
    shutil.rmtree(kept.path)
    assert packed_for(home, DATA, frozen) == packed_for(home, DATA, {})  # training then compares the bytes


def test_a_run_that_has_not_begun_takes_the_newest(home: Home, cats: Path) -> None:
    record = load_run(home, "r")
    assert asdict(record)["frozen"]["data"]["train"] > 0
    assert packed_for(home, record.profile.data.model_dump(), {}) != pictures_of(home, record)


@pytest.mark.parametrize("change", ["data.limit=1", "data.limit=2", "data.limit=5", "training.batch_size=32"])
@pytest.mark.parametrize("micro", ["auto", "1", "2", "4"])
def test_the_advice_for_too_few_pictures_works(home: Home, cats: Path, change: str, micro: str) -> None:
    """Whatever `--set` it names, the profile is taken with it."""
    profile = load_run(home, "r").profile
    too_few = override_profile(
        profile, [change, f"training.micro_batch={micro}", "training.validation_pictures=0"]
    )
    with pytest.raises(UserError, match="for training, but a batch has") as caught:
        require_pictures(home, too_few)
    hint = str(caught.value.hint)
    limited = too_few.data.limit is not None
    assert hint.startswith("raise data.limit" if limited else "add pictures, or train with")
    if advised := re.findall(r"--set (\S+)", hint):
        require_pictures(home, override_profile(too_few, advised))
    else:
        assert (hint, change) == ("raise data.limit", "data.limit=1")
