"""What a training keeps of its checkpoints while it goes on."""

from engine.base.home import Home
from engine.jobs.files import read_result
from engine.runs.checkpoints import list_checkpoints, verify
from tests.tiny import job, make_run, work


def test_a_damaged_checkpoint_ahead_takes_no_place_of_one_that_was_just_saved(home: Home) -> None:
    """Its files have the right sizes, so only who reads every byte knows; training goes on from the one before it."""
    few = {"checkpoint_minutes": 1e-9, "keep_last": 1, "keep_epochs": [1], "chunk_epochs": 9}
    run = make_run(home, "r", training=few)
    task = job(home, run, 4)
    assert work(task, "train.step:12=term").returncode == 75
    weights = run.checkpoint(12).model
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert work(task, "train.step:2=term").returncode == 75
    result = read_result(task)
    assert result is not None
    assert result.checkpoint == 9
    assert verify(run.checkpoint(9)) is None
    assert {7, 9} <= {info.step for info in list_checkpoints(run)}
