"""Resume to the bit: a run that is killed and continued equals one that never was, by SHA-256."""

import json
from typing import Any

import pytest

from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.jobs.files import read_result
from engine.runs.checkpoints import list_checkpoints
from tests.on_a_card import on_a_card
from tests.tiny import bits, job, make_run, metrics_without_clocks, work

pytestmark = pytest.mark.e2e

VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "dropout, accumulation": {},
    "bf16": {"training": {"precision": "bf16"}},
    "muon": {"optim": {"optimizer": "muon"}, "training": {"precision": "bf16"}},
    "no dropout, one pass": {"model": {"dropout": 0.0}, "training": {"micro_batch": 8}},
}
CARD: dict[str, dict[str, dict[str, Any]]] = {
    "as decided": {"training": {"precision": "auto"}},
    "compiled": {"training": {"precision": "auto", "compile": "on"}, "model": {"dropout": 0.0}},
    "compiled muon": {"training": {"precision": "auto", "compile": "on"}, "optim": {"optimizer": "muon"}},
    "loss scaling": {"training": {"precision": "fp16"}, "optim": {"optimizer": "muon"}},
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "device"),
    [*((name, "cpu") for name in VARIANTS), *(on_a_card(name, "cuda", id=f"{name}-cuda") for name in CARD)],
)
def test_kills_and_pauses_change_no_bit(home: Home, variant: str, device: str) -> None:
    chosen = {**VARIANTS, **CARD}[variant]
    chosen = {**chosen, "training": {**chosen.get("training", {}), "device": device}}
    straight, broken = (make_run(home, name, **chosen) for name in ("straight", "broken"))
    assert work(job(home, straight, 4), timeout=600).returncode == 0

    task = job(home, broken, 4)
    # In the middle of an epoch; asked to stop in another; inside a checkpoint's write; after it is published.
    for failpoints, code in (
        ("train.step:10=kill", -9),
        ("train.step:5=term", 75),
        ("checkpoint.files_written:1=kill", -9),
        ("checkpoint.after_rename:1=kill", -9),
        ("", 0),
    ):
        ended = work(task, failpoints, timeout=600)
        assert ended.returncode == code, ended.stdout + ended.stderr

    assert bits(broken) == bits(straight)
    assert metrics_without_clocks(broken) == metrics_without_clocks(straight)
    assert not list(broken.checkpoints.glob(".*")), "half-written checkpoints remain"


def test_a_chunk_is_an_absolute_target(home: Home) -> None:
    run = make_run(home, "twice")
    assert work(job(home, run, 1)).returncode == 0
    before = bits(run)
    again = job(home, run, 1)
    assert work(again).returncode == 0
    assert bits(run) == before
    result = read_result(again)
    assert result is not None
    assert (result.outcome, result.epoch) == ("done", 1.0)


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(home: Home) -> None:
    run, other = make_run(home, "damaged"), make_run(home, "whole")
    for each in (run, other):
        assert work(job(home, each, 2)).returncode == 0
    newest = list_checkpoints(run)[-1].folder
    content = bytearray(newest.model.read_bytes())
    content[-5] ^= 1
    newest.model.write_bytes(content)

    ended = work(job(home, run, 2))
    assert ended.returncode == 0
    assert f"checkpoint {newest.step} is damaged and is skipped" in ended.stdout
    assert "has been altered" in ended.stdout
    assert bits(run) == bits(other)
    assert list(run.checkpoints.glob(".*damaged*")), "the damaged folder is kept aside"


def test_another_architecture_is_refused(home: Home) -> None:
    run = make_run(home, "changed")
    assert work(job(home, run, 1)).returncode == 0
    record = json.loads(run.record.read_text())
    record["profile"]["model"]["width"] = 16
    write_sealed(run.record, record)
    ended = job(home, run, 2)
    assert work(ended).returncode == 1
    result = read_result(ended)
    assert result is not None
    assert "another architecture" in result.message


def test_a_full_disk_keeps_the_last_checkpoint_and_may_go_on(home: Home) -> None:
    run = make_run(home, "full")
    task = job(home, run, 4)
    # The write of the second checkpoint's files fails as a full disk makes it fail.
    ended = work(task, "checkpoint.files_written:2=enospc")
    assert ended.returncode == 73
    result = read_result(task)
    assert result is not None
    assert result.outcome == "disk_full"
    assert [c.problem for c in list_checkpoints(run)] == [None]
    assert not list(run.checkpoints.glob(".*"))
    assert work(task).returncode == 0


def test_two_workers_keep_off_one_run(home: Home) -> None:
    from engine.base.files import FileLock

    run = make_run(home, "busy")
    with FileLock.acquire(run.lock, "the run"):
        task = job(home, run, 1)
        assert work(task).returncode == 1
    result = read_result(task)
    assert result is not None
    assert result.outcome == "busy"
    assert "being trained by another process" in result.message
