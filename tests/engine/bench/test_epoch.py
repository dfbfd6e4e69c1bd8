"""The arithmetic of an epoch's time: whose time is whose, and what happens how often."""

import itertools

import pytest

from engine.bench.epoch import CELEBA_TRAIN, Ledger, shares


class Loop:
    def outer(self) -> None:
        self.inner()

    def inner(self) -> None: ...


def test_a_part_has_its_time_without_that_of_parts_it_calls() -> None:
    loop, ledger = Loop(), Ledger(clock=lambda: float(next(now)))
    now = itertools.count()
    ledger.watch(loop, "outer", "outer")
    ledger.watch(loop, "inner", "inner")
    loop.outer()
    assert ledger.seconds == {"outer": 2.0, "inner": 1.0}
    assert ledger.calls == {"outer": 1, "inner": 1}


def test_what_is_done_at_every_step_once_an_epoch_and_once_a_chunk() -> None:
    seconds = {
        "network": 8.0,
        "data": 1.0,
        "validation": 2.0,
        "preview": 3.0,
        "checkpoint": 1.0,
        "scores": 50.0,
    }
    found = shares(
        seconds,
        total=66.0,
        steps=10,
        batch=CELEBA_TRAIN // 100,
        checkpoint_every=50.0,
        chunk_epochs=25,
        validation_factor=4.0,
    )
    # A hundred steps of 1 s: 0.8 network, 0.1 data, and 0.1 that nobody claims.
    assert found["ms_per_step"] | {"rest": 0} == pytest.approx(
        {"network": 800, "data": 100, "optimizer": 0, "average": 0, "progress": 0, "metrics": 0, "rest": 0}
    )
    assert found["ms_per_step"]["rest"] == pytest.approx(100)
    whole = 100 + 4 * 2 + 3 + 2 + 50 / 25
    assert found["epoch_seconds"] == pytest.approx(whole)
    assert found["shares"]["scores"] == pytest.approx(2 / whole)
    assert found["shares"]["checkpoint"] == pytest.approx(2 / whole)
    assert found["network_share"] == pytest.approx(80 / whole)
