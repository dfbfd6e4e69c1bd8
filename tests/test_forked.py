"""A forked worker of `tests.forked` does what a started one does."""

from pathlib import Path

import pytest

from engine.base.home import Home
from engine.jobs.files import read_result
from tests.tiny import bits, job, make_run, metrics_without_clocks, work
from tests.torchless import with_tiny_profile


@pytest.mark.slow
def test_a_forked_worker_is_as_good_as_a_started_one(tmp_path: Path, pictures: Path) -> None:
    home = Home(tmp_path / "home").create()
    with_tiny_profile(home, pictures)
    ended = []
    for afresh in (True, False):
        run = make_run(home, f"afresh-{afresh}")
        task = job(home, run, 2)
        killed = work(task, "train.step:10=kill", afresh=afresh)
        done = work(task, afresh=afresh)
        result = read_result(task)
        assert result is not None
        codes = (killed.returncode, done.returncode, result.outcome)
        ended.append((codes, bits(run), metrics_without_clocks(run), len(done.stdout.splitlines())))
    assert ended[0] == ended[1]
    assert ended[0][0] == (-9, 0, "done")
