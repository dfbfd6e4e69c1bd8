"""`train --dry-run`: what it says of a new run, of more epochs and of a branch; it makes nothing."""

from pathlib import Path

import pytest

from engine.base.home import Home
from engine.runs.record import freeze, run_names
from engine.service.targets import find_target
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import extend, with_tiny_profile


@pytest.fixture
def there(home: Home, pictures: Path) -> Home:
    with_tiny_profile(home, pictures)
    return home


def test_a_dry_run_says_what_would_be_and_makes_nothing(there: Home, cli: Cli) -> None:
    new = cli("train", "tiny", "--to-epoch", "6", "--dry-run")
    assert (new.code, new.out) == (0, "a new run 'tiny-1': epochs 0 → 6\n")
    assert new.err == "the learning rate is planned for 6 epochs, instead of the profile's 4; this is final\n"
    assert run_names(there) == []
    find_target(there, "tiny")
    extend(there.run("tiny-1"), range(1, 5))
    freeze(there.run("tiny-1"), horizon_epochs=4)
    more = cli("train", "tiny-1", "--chunks", "1", "--dry-run")
    anew = "past the end of its plan (epoch 4) the learning rate begins anew: up to 0.001, down to 0 at epoch 6\n"
    assert (more.out, more.err) == ("run 'tiny-1': epochs 4 → 6\n", anew)
    # What is suggested after the last planned epoch says what it will do.
    done = cli("train", "tiny-1")
    assert done.err.endswith(f"`ddpm-tui train tiny-1 --chunks 1` continues to epoch 6\n{anew}")
    branch = cli("runs", "branch", "tiny-1@e4", "--set", "optim.lr=1e-5", "--name", "slow")
    assert "a chunk of it is epochs 4 → 6" in branch.out
    assert "begins anew: up to 1e-05" in branch.out
    assert cli("train", "tiny-1", "--chunks", "1", "--dry-run", "--json").json["to_epoch"] == 6
