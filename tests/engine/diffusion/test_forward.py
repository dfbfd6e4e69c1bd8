"""The forward process: its moments, its conversions inverted, and its dtype."""

from typing import get_args

import pytest
import torch

from engine.diffusion.forward import add_noise, predict_eps, predict_x_0, target, velocity
from engine.diffusion.names import Prediction
from engine.diffusion.schedule import Schedule

PREDICTIONS = get_args(Prediction)


def pictures(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x_0 = torch.rand(count, 3, 4, 4, generator=generator) * 2 - 1
    return x_0, torch.randn(count, 3, 4, 4, generator=generator)


def test_noise_is_added_as_the_closed_form_says() -> None:
    schedule = Schedule.create("linear", 100)
    x_0, eps = pictures(100)
    t = torch.arange(100)
    x_t = add_noise(schedule, x_0, eps, t)
    bar = torch.tensor(schedule.log_alpha_bars, dtype=torch.float64).exp().view(-1, 1, 1, 1)
    torch.testing.assert_close(x_t.double(), bar.sqrt() * x_0 + (1 - bar).sqrt() * eps, rtol=1e-6, atol=1e-6)


def test_double_pictures_come_back_in_float32_too() -> None:
    schedule = Schedule.create("linear", 10)
    x_0, eps = pictures(2)
    t = torch.tensor([0, 9])
    for function in (add_noise, velocity):
        assert function(schedule, x_0.double(), eps.double(), t).dtype == torch.float32


def test_one_closed_step_is_many_small_ones() -> None:
    # x_t drawn at once, and drawn by x_t = √α x_{t−1} + √β ε, have the same mean and variance.
    schedule = Schedule.create("quadratic", 60)
    generator = torch.Generator().manual_seed(1)
    x = torch.full((20_000,), 0.7)
    for beta in schedule.betas.tolist():
        x = (1 - beta) ** 0.5 * x + beta**0.5 * torch.randn(x.shape, generator=generator)
        if beta > 0.1:
            break
    t = schedule.betas.tolist().index(beta)
    at_once = add_noise(
        schedule,
        torch.full((20_000, 1, 1, 1), 0.7),
        torch.randn(20_000, 1, 1, 1, generator=generator),
        torch.full((20_000,), t),
    )
    assert x.mean().item() == pytest.approx(at_once.mean().item(), abs=0.03)
    assert x.var().item() == pytest.approx(at_once.var().item(), abs=0.03)


def test_bf16_pictures_are_noised_in_float32() -> None:
    schedule = Schedule.create("cosine", 1000)
    x_0, eps = pictures(2)
    t = torch.zeros(2, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x_t = add_noise(schedule, x_0.bfloat16(), eps.bfloat16(), t)
        v = velocity(schedule, x_0.bfloat16(), eps.bfloat16(), t)
    assert x_t.dtype == v.dtype == torch.float32
    exact = add_noise(schedule, x_0.bfloat16().float(), eps.bfloat16().float(), t)
    assert torch.equal(x_t, exact)
    assert (x_t - x_0.bfloat16().float()).abs().max() > 1e-3
    for prediction in PREDICTIONS:
        assert target(schedule, prediction, x_0.bfloat16(), eps.bfloat16(), t).dtype == torch.float32
        assert predict_x_0(schedule, prediction, x_0.bfloat16(), x_t, t).dtype == torch.float32


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_the_target_gives_both_x_0_and_eps_back(prediction: Prediction, name: str) -> None:
    schedule = Schedule.create(name, 200)  # type: ignore[arg-type]
    x_0, eps = pictures(190)
    t = torch.arange(190)
    x_t = add_noise(schedule, x_0, eps, t)
    output = target(schedule, prediction, x_0, eps, t)
    torch.testing.assert_close(
        predict_x_0(schedule, prediction, output, x_t, t),
        x_0,
        rtol=0,
        atol=2e-5 if prediction == "eps" else 1e-5,
    )
    torch.testing.assert_close(predict_eps(schedule, prediction, output, x_t, t), eps, rtol=0, atol=1e-4)


def test_v_stands_square_on_x_t() -> None:
    # (x_t, v) is (x_0, ε) turned by the angle whose cosine is √ᾱ: lengths are kept.
    schedule = Schedule.create("cosine", 50, zero_terminal_snr=True)
    x_0, eps = pictures(50)
    t = torch.arange(50)
    x_t, v = add_noise(schedule, x_0, eps, t), velocity(schedule, x_0, eps, t)
    torch.testing.assert_close(x_t**2 + v**2, x_0**2 + eps**2, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(v[-1], -x_0[-1])
    assert torch.equal(x_t[-1], eps[-1])


def test_eps_and_zero_terminal_snr_are_refused_together() -> None:
    schedule = Schedule.create("cosine", 10, zero_terminal_snr=True)
    x, eps = pictures(1)
    t = torch.zeros(1, dtype=torch.int64)
    for call in (predict_x_0, predict_eps, lambda s, p, a, b, t: target(s, p, a, b, t)):
        with pytest.raises(ValueError, match="zero terminal SNR"):
            call(schedule, "eps", x, eps, t)
        assert torch.isfinite(call(schedule, "v", x, eps, t)).all()


def test_an_unknown_prediction_is_refused() -> None:
    x, eps = pictures(1)
    with pytest.raises(ValueError, match="score"):
        target(Schedule.create("linear", 5), "score", x, eps, torch.zeros(1, dtype=torch.int64))  # type: ignore[arg-type]
