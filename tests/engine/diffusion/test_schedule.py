"""The schedule's tables against 60-digit decimals, and what cannot be a schedule."""

import math
from decimal import Decimal
from typing import get_args

import pytest
import torch
from torch import Tensor

from engine.diffusion import tables
from engine.diffusion.schedule import Schedule
from engine.diffusion.schedules import ScheduleName

from .exact import exact_alpha_bars

NAMES = get_args(ScheduleName)


def as_float32(values: list[Decimal]) -> Tensor:
    return torch.tensor([float(value) for value in values], dtype=torch.float64)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 50, 1000])
def test_every_table_is_right_to_float32(name: ScheduleName, steps: int) -> None:
    schedule = Schedule.create(name, steps)
    betas = [Decimal(beta) for beta in tables.betas(name, steps)]
    bar = exact_alpha_bars(tables.betas(name, steps))
    before = [Decimal(1), *bar[:-1]]
    snr = [a / (1 - a) for a in bar]
    expected = {
        "betas": betas,
        "alphas": [1 - b for b in betas],
        "alpha_bar": bar,
        "sqrt_alpha_bar": [a.sqrt() for a in bar],
        "one_minus_alpha_bar": [1 - a for a in bar],
        "sqrt_one_minus_alpha_bar": [(1 - a).sqrt() for a in bar],
        "snr": snr,
        "log_snr": [s.ln() for s in snr],
        "posterior_variance": [(1 - s) / (1 - a) * b for a, s, b in zip(bar, before, betas, strict=True)],
        "posterior_mean_x_0": [s.sqrt() * b / (1 - a) for a, s, b in zip(bar, before, betas, strict=True)],
        "posterior_mean_x_t": [
            (1 - b).sqrt() * (1 - s) / (1 - a) for a, s, b in zip(bar, before, betas, strict=True)
        ],
    }
    for key, values in expected.items():
        table = getattr(schedule, key)
        assert table.dtype == torch.float32
        assert table.shape == (steps,)
        torch.testing.assert_close(table.double(), as_float32(values), rtol=1e-7, atol=1e-12, msg=key)
    assert schedule.steps == steps
    assert not schedule.zero_terminal_snr


def test_one_minus_alpha_bar_keeps_its_digits_where_alpha_bar_is_nearly_one() -> None:
    # In float32, 1 − ᾱ of the first cosine step of 1000 would be off in its third digit.
    schedule = Schedule.create("cosine", 1000)
    first = tables.betas("cosine", 1000)[0]
    assert schedule.one_minus_alpha_bar[0].item() == pytest.approx(first, rel=1e-7)
    assert abs((1 - schedule.alpha_bar[0]).item() / first - 1) > 1e-4


def test_zero_terminal_snr_has_no_nan() -> None:
    schedule = Schedule.create("cosine", 100, zero_terminal_snr=True)
    assert schedule.zero_terminal_snr
    assert schedule.alpha_bar[-1] == 0
    assert schedule.snr[-1] == 0
    assert schedule.log_snr[-1] == -math.inf
    assert schedule.posterior_mean_x_t[-1] == 0
    for key in ("betas", "alphas", "posterior_variance", "posterior_mean_x_0", "sqrt_one_minus_alpha_bar"):
        assert torch.isfinite(getattr(schedule, key)).all()


def test_it_cannot_be_changed() -> None:
    schedule = Schedule.create("linear", 10)
    with pytest.raises(AttributeError):
        schedule.betas = torch.zeros(10)  # type: ignore[misc]


def test_moving_takes_every_table_along() -> None:
    moved = Schedule.create("linear", 10).to("meta")
    assert moved.device.type == "meta"
    assert moved.steps == 10
    assert all(value.device.type == "meta" for value in vars(moved).values() if isinstance(value, Tensor))


def test_lookup_meets_pictures() -> None:
    schedule = Schedule.create("linear", 10)
    found = schedule.at(schedule.betas, torch.tensor([3, 9, 3]))
    assert found.shape == (3, 1, 1, 1)
    assert found.flatten().tolist() == [schedule.betas[3], schedule.betas[9], schedule.betas[3]]


@pytest.mark.parametrize("betas", [[], [0.0, 0.1], [0.1, -0.1], [1.0, 0.5], [0.1, 1.5], [0.1, math.nan]])
def test_what_is_no_schedule_is_refused(betas: list[float]) -> None:
    with pytest.raises(ValueError, match=r"β|step"):
        Schedule.from_betas(betas)
