"""What `train` decides: which run, new or not, and to which epoch."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DdpmError, UsageError, UserError
from engine.base.home import Home
from engine.config.store import save_profile
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.runs.record import load_run, run_names
from engine.service import machine
from engine.service.targets import find_target
from tests.torchless import extend, publish_at, with_tiny_profile


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.fixture
def there(home: Home, pictures: Path) -> Home:
    """A home with a data set and the profile `tiny` (4 epochs, chunks of 2)."""
    with_tiny_profile(home, pictures)
    return home


def test_a_profile_makes_a_run_and_goes_to_its_end(there: Home) -> None:
    target = find_target(there, "tiny")
    assert (target.run, target.here, target.to_epoch, target.new) == ("tiny-1", 0.0, 4, True)
    assert load_run(there, "tiny-1").profile_name == "tiny"


def test_asked_again_it_goes_on_with_the_unfinished_one(there: Home) -> None:
    find_target(there, "tiny")
    again = find_target(there, "tiny")
    assert (again.run, again.new) == ("tiny-1", False)
    assert run_names(there) == ["tiny-1"]


def test_a_finished_one_is_not_gone_on_with(there: Home) -> None:
    find_target(there, "tiny")
    extend(there.run("tiny-1"), range(1, 5))
    assert find_target(there, "tiny").run == "tiny-2"


def test_another_profile_is_another_run(there: Home) -> None:
    find_target(there, "tiny")
    changed = find_target(there, "tiny", overrides=["optim.lr=1e-4"])
    assert changed.run == "tiny-2"
    assert load_run(there, "tiny-2").profile.optim.lr == 1e-4
    assert find_target(there, "tiny", overrides=["optim.lr=1e-4"]).run == "tiny-2"
    assert find_target(there, "tiny").run == "tiny-1"


def test_resume_never_begins_anew(there: Home) -> None:
    find_target(there, "tiny")
    assert find_target(there, "tiny", resume="never").run == "tiny-2"
    with pytest.raises(DdpmError, match="already a run named 'tiny-1'"):
        find_target(there, "tiny", run="tiny-1", resume="never")


def test_a_run_by_name(there: Home) -> None:
    assert find_target(there, "tiny", run="mine").run == "mine"
    extend(there.run("mine"), range(1, 3))
    for target in (
        find_target(there, "mine"),
        find_target(there, None, run="mine"),
        find_target(there, "tiny", run="mine"),
    ):
        assert (target.run, target.here, target.to_epoch, target.new) == ("mine", 2.0, 4, False)


@pytest.mark.parametrize(
    ("given", "to_epoch"),
    [({}, 4), ({"chunks": 1}, 4), ({"chunks": 3}, 8), ({"to_epoch": 3}, 3), ({"to_epoch": 1}, 1)],
)
def test_how_far(there: Home, given: dict[str, int], to_epoch: int) -> None:
    find_target(there, "tiny")
    extend(there.run("tiny-1"), range(1, 3))
    target = find_target(there, "tiny-1", **given)  # type: ignore[arg-type]
    assert target.to_epoch == to_epoch
    assert target.reached is (to_epoch <= 2)


def test_chunks_count_from_the_last_whole_epoch(there: Home) -> None:
    find_target(there, "tiny")
    extend(there.run("tiny-1"), range(1, 3))
    publish_at(there.run("tiny-1"), 17)
    target = find_target(there, "tiny-1", chunks=1)
    assert target.here == pytest.approx(17 / 7)
    assert target.to_epoch == 4


def test_a_name_that_is_both_is_the_runs_unless_it_is_changed(there: Home) -> None:
    find_target(there, "tiny", run="tiny")
    assert find_target(there, "tiny").run == "tiny"
    assert find_target(there, "tiny", overrides=["optim.lr=1e-4"]).run == "tiny-1"


def test_a_profile_from_a_file(there: Home) -> None:
    target = find_target(there, str(there.user_profile("tiny")))
    assert target.run == "tiny-1"


def test_a_damaged_run_does_not_hide_the_others(there: Home) -> None:
    find_target(there, "tiny")
    (there.runs / "broken").mkdir()
    assert find_target(there, "tiny").run == "tiny-1"


# What could not be trained makes no run.


@pytest.fixture
def mine(home: Home, tmp_path: Path, pictures: Path) -> Path:
    """The folder of a data set of this test's own, and `tiny` on it."""
    folder = tmp_path / "mine"
    shutil.copytree(pictures, folder)
    add_source(home, folder, "mine")
    save_profile(home, "tiny", PROFILE)
    return folder


PROFILE = """
[data]
dataset = "mine"
size = 16
[training]
batch_size = 8
"""


@pytest.mark.parametrize("packed", [False, True])
def test_no_run_is_made_on_fewer_pictures_than_a_batch(home: Home, mine: Path, packed: bool) -> None:
    for path in sorted(mine.iterdir())[3:]:
        path.unlink()
    add_source(home, mine, "mine")
    if packed:
        pack(home, "mine", 16, "center178")
    with pytest.raises(UserError, match="has 2 pictures for training, but a batch has 8") as refused:
        find_target(home, "tiny", run="few")
    assert "--set training.batch_size=2" in (refused.value.hint or "")
    assert run_names(home) == []
    assert find_target(home, "tiny", run="few", overrides=["training.batch_size=2"]).new


def test_a_limit_counts_too(home: Home, mine: Path) -> None:
    with pytest.raises(UserError, match="has 6 pictures for training, but a batch has 8"):
        find_target(home, "tiny", overrides=["data.limit=8"])
    with pytest.raises(UserError, match="has 6 pictures for training, but a batch has 8"):
        find_target(home, "tiny", overrides=["data.limit=8", "data.dataset=faces"])


@pytest.mark.parametrize("change", ["gone", "emptied"])
def test_pictures_that_are_gone(home: Home, mine: Path, change: str) -> None:
    if change == "gone":
        mine.rename(mine.with_name("elsewhere"))
    else:
        for path in mine.iterdir():
            path.unlink()
    says = "are no longer at" if change == "gone" else "has changed since .* now"
    with pytest.raises(UserError, match=says):
        find_target(home, "tiny")
    assert run_names(home) == []


def test_packed_pictures_may_be_gone(home: Home, mine: Path) -> None:
    pack(home, "mine", 16, "center178")
    mine.rename(mine.with_name("elsewhere"))
    assert find_target(home, "tiny").new


@pytest.mark.parametrize("asked", ["option", "profile"])
def test_a_device_that_is_not_there(
    home: Home, mine: Path, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "torch_facts", lambda: {"devices": [{"device": "cuda:0"}]})
    how: dict[str, Any] = (
        {"device": "cuda:3"} if asked == "option" else {"overrides": ["training.device=cuda:3"]}
    )
    with pytest.raises(UserError, match="there is no cuda:3: torch finds cuda:0"):
        find_target(home, "tiny", **how)
    assert run_names(home) == []
    assert find_target(home, "tiny", **{**how, "device": "cuda"}).new


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "-x", "a@b", "a\nb", "x" * 300])
def test_a_name_that_no_run_can_have_is_misuse_before_anything_is_planned(
    there: Home, name: str, dry_run: bool
) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        find_target(there, "tiny", run=name, dry_run=dry_run)
    assert run_names(there) == []
