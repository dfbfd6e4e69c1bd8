"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest

from engine.base.errors import UserError
from engine.evaluation.bootstrap import bootstrap


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        found = bootstrap(rng.exponential(size=80), resamples=300, seed=trial)
        held += found.low <= 1.0 <= found.high
    assert 0.88 <= held / 200 <= 0.98


def test_narrower_with_more_values_and_lower_levels() -> None:
    rng = np.random.default_rng(1)
    few, many = bootstrap(rng.normal(size=50)), bootstrap(rng.normal(size=5000))
    assert many.high - many.low < (few.high - few.low) / 5
    values = rng.normal(size=100)
    wide, narrow = bootstrap(values), bootstrap(values, level=0.5)
    assert narrow.high - narrow.low < wide.high - wide.low
    assert wide.value == narrow.value == pytest.approx(values.mean())


def test_another_statistic_and_the_seed() -> None:
    values = np.array([1.0, 2, 3, 4, 100])
    found = bootstrap(values, lambda drawn: np.median(drawn, axis=1))
    assert found.value == 3
    assert found == bootstrap(values, lambda drawn: np.median(drawn, axis=1))


def test_one_value_has_no_interval() -> None:
    with pytest.raises(UserError, match="at least 2"):
        bootstrap([1.0])
