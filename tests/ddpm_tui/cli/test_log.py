"""`runs log` as a person types it."""

from pathlib import Path

import pytest

from engine.base.home import Home
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


def test_a_finished_run_is_logged_once(home: Home, cli: Cli, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    trained_run(home, "r", 2)
    target = f"tensorboard:{tmp_path / 'tb'}"
    assert cli("runs", "log", "r", "--to", target).out == f"2 new lines of steps in {target}\n"
    assert cli("runs", "log", "r", "--to", target, "--json").json == {"run": "r", "steps": {target: 0}}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("r --to tensorbord:x", 2, "no logger named 'tensorbord' — did you mean 'tensorboard'?"),
        ("r --to mlflow", 2, "mlflow needs a folder — mlflow:DIR"),
        ("gone --to tensorboard:x", 1, "no run named 'gone'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    home: Home, cli: Cli, arguments: str, code: int, said: str
) -> None:
    trained_run(home, "r", 1)
    ended = cli("runs", "log", *arguments.split())
    assert ended.code == code
    assert said in ended.error
