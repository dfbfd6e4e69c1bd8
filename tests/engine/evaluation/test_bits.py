"""Bits per dimension and losses by band, with the denoiser that is known to be best for a known data set."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.base.errors import UserError
from engine.diffusion.bands import BANDS as LEVELS
from engine.diffusion.bands import REACH
from engine.diffusion.schedule import Schedule
from engine.evaluation.bands import band_losses, eps_errors
from engine.evaluation.bits import bits_per_dim

T = 50
SCHEDULE = Schedule.create("cosine", T)
DEVIATION = 0.25


def gaussian_pictures(n: int = 48) -> np.ndarray:
    values = np.random.default_rng(0).normal(0, DEVIATION, (n, 3, 8, 8))
    return np.clip(np.round((values + 1) * 127.5), 0, 255).astype(np.uint8)


def exact(x_t: Tensor, t: Tensor) -> Tensor:
    """The best eps for values that are N(0, DEVIATION²)."""
    kept = SCHEDULE.alpha_bar[t][:, None, None, None]
    x_0 = x_t * kept.sqrt() * DEVIATION**2 / (kept * DEVIATION**2 + 1 - kept)
    return (x_t - kept.sqrt() * x_0) / (1 - kept).sqrt()


def truth() -> float:
    """Bits a value of a Gaussian costs when it is told to within a step of 1/127.5."""
    return 0.5 * math.log2(2 * math.pi * math.e * DEVIATION**2) + math.log2(127.5)


def test_the_bound_is_above_the_truth_and_near_it() -> None:
    found = bits_per_dim(exact, SCHEDULE, "eps", gaussian_pictures(), batch=20)
    assert truth() < found.total.value < truth() + 1.0
    assert found.total.low < found.total.value < found.total.high
    assert found.prior + found.transitions + found.decoder == pytest.approx(found.total.value)
    assert found.timesteps[0] == 0
    assert len(found.timesteps) == len(found.terms) == T


def test_a_worse_network_costs_more_and_the_batch_changes_nothing() -> None:
    pictures = gaussian_pictures(12)
    best = bits_per_dim(exact, SCHEDULE, "eps", pictures)
    worse = bits_per_dim(lambda x, t: 0.8 * exact(x, t), SCHEDULE, "eps", pictures)
    assert worse.total.value > best.total.value
    halves = bits_per_dim(exact, SCHEDULE, "eps", pictures, batch=5)
    assert halves.total.value == pytest.approx(best.total.value, rel=1e-5)


def test_every_second_timestep_is_nearly_the_whole() -> None:
    pictures = gaussian_pictures(12)
    whole = bits_per_dim(exact, SCHEDULE, "eps", pictures)
    half = bits_per_dim(exact, SCHEDULE, "eps", pictures, stride=2)
    assert len(half.timesteps) == T // 2 + 1
    assert half.total.value == pytest.approx(whole.total.value, rel=0.05)
    with pytest.raises(UserError, match="stride 0"):
        bits_per_dim(exact, SCHEDULE, "eps", pictures, stride=0)


def test_the_exact_denoiser_has_the_error_that_nobody_can_beat() -> None:
    """E‖ε̂ − ε‖² of the best denoiser is ᾱ σ² / (ᾱ σ² + 1 − ᾱ) a value."""
    found = band_losses(exact, SCHEDULE, "eps", "l2", gaussian_pictures(), bands=5, batch=17)
    assert found.edges == (0, 10, 20, 30, 40, 50)
    for low, high, interval in zip(found.edges, found.edges[1:], found.eps_error, strict=False):
        kept = SCHEDULE.alpha_bar[low:high]
        best = (kept * DEVIATION**2 / (kept * DEVIATION**2 + 1 - kept)).mean().item()
        assert interval.low * 0.85 < best < interval.high * 1.15
    assert found.mean.value == pytest.approx(np.mean([b.value for b in found.loss]))
    assert found.loss == found.eps_error, "the loss of an eps network with l2 is its eps error"


def test_the_same_noise_each_time() -> None:
    pictures = gaussian_pictures(6)
    one = band_losses(exact, SCHEDULE, "eps", "huber", pictures)
    assert one == band_losses(exact, SCHEDULE, "eps", "huber", pictures)
    assert one != band_losses(exact, SCHEDULE, "eps", "huber", pictures, seed=1)
    with pytest.raises(UserError, match="1 picture"):
        band_losses(exact, SCHEDULE, "eps", "l2", pictures[:1])
    assert torch.is_grad_enabled()


def test_the_eps_error_by_log_snr_is_that_of_the_exact_denoiser() -> None:
    asked: list[int] = []

    def denoiser(calls: int) -> Callable[[Tensor, Tensor], Tensor]:
        asked.append(calls)
        return exact

    pictures = gaussian_pictures()
    levels, errors = eps_errors(denoiser, SCHEDULE, "eps", pictures, batch=20)
    assert levels == list(LEVELS), "a cosine schedule reaches all of them"
    assert asked == [len(LEVELS) * 3]
    assert errors.shape == (len(LEVELS), len(pictures))
    for level, row in zip(levels, errors, strict=True):
        kept = SCHEDULE.alpha_bar[(SCHEDULE.log_snr - level).abs().argmin()].item()
        assert row.mean() == pytest.approx(
            kept * DEVIATION**2 / (kept * DEVIATION**2 + 1 - kept), rel=0.05, abs=5e-3
        )
    again = eps_errors(denoiser, SCHEDULE, "eps", pictures, batch=20)[1]
    assert np.array_equal(errors, again)
    assert not np.array_equal(errors, eps_errors(denoiser, SCHEDULE, "eps", pictures, batch=20, seed=1)[1])


def test_levels_that_a_schedule_does_not_reach_have_no_eps_error() -> None:
    pictures, few = gaussian_pictures(4), Schedule.create("cosine", 2)
    levels, errors = eps_errors(lambda calls: lambda x_t, t: x_t, few, "eps", pictures)
    near = [level for level in LEVELS if (few.log_snr - level).abs().min() <= REACH]
    assert levels == near
    assert 0 < len(levels) < len(LEVELS)
    assert len(errors) == len(levels)
    with pytest.raises(UserError, match="reaches no level"):
        eps_errors(lambda calls: lambda x_t, t: x_t, Schedule.create("linear", 1), "eps", pictures)
    with pytest.raises(UserError, match="1 picture"):
        eps_errors(lambda calls: exact, SCHEDULE, "eps", pictures[:1])
