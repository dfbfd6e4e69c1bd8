"""Guidance against closed forms: of Gaussians the guided score and the guided flow are known."""

import math

import pytest
import torch

from engine.diffusion.guidance import guided, log_snr
from engine.diffusion.reverse import sample
from engine.diffusion.schedule import Schedule
from tests.engine.diffusion.gaussian import Drawn, Gaussian

SCHEDULE = Schedule.create("cosine", 200)


def pair(main: Gaussian, other: Gaussian, prediction: str):  # type: ignore[no-untyped-def]
    a, b = main.denoiser(prediction), other.denoiser(prediction)  # type: ignore[arg-type]
    return lambda x, t: (a(x, t), b(x, t))


@pytest.mark.parametrize("prediction", ["eps", "x0", "v"])
def test_the_guided_score_is_that_of_the_product_of_powers(prediction: str) -> None:
    """p^w / q^(w−1) of two Gaussians is one: its score is linear, and σ times it is −ε."""
    main, other, weight, t = Gaussian(SCHEDULE, 0.4, 0.2), Gaussian(SCHEDULE, -0.1, 0.5), 1.7, 90
    denoise = guided(main.denoiser(prediction), pair(main, other, prediction), weight)  # type: ignore[arg-type]
    x = torch.linspace(-2, 2, 9, dtype=torch.float64).view(9, 1, 1, 1)
    output = denoise(x, torch.full((9,), t))
    a, s = main.alpha[t], main.sigma[t]
    x_0 = {"x0": lambda: output, "eps": lambda: (x - s * output) / a, "v": lambda: a * x - s * output}[
        prediction
    ]()
    eps = (x - a * x_0) / s
    score = sum(w * (a * g.mean - x) / g.variance_at(t) for w, g in ((weight, main), (1 - weight, other)))
    assert torch.allclose(eps, -s * score, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp"])
def test_the_guided_flow_leads_to_the_mean_that_it_must(sampler: str) -> None:
    """Two Gaussians of one width: the guided one has that width, and its mean at m_q + w (m_p − m_q)."""
    main, other, weight = Gaussian(SCHEDULE, 0.3, 0.2), Gaussian(SCHEDULE, 0.1, 0.2), 2.5
    noise = Drawn((4096, 1, 1, 1), dtype=torch.float64)
    found = sample(
        guided(main.denoiser("v"), pair(main, other, "v"), weight), SCHEDULE, "v",
        sampler=sampler, steps=200, noise=noise, clip=False,  # type: ignore[arg-type]
    )  # fmt: skip
    expected = Gaussian(SCHEDULE, 0.1 + weight * 0.2, 0.2).flow(noise.initial(), SCHEDULE.steps - 1, None)
    assert float((found - expected).abs().max()) < 0.02


def test_weight_one_is_the_main_network_to_the_bit() -> None:
    main, other = Gaussian(SCHEDULE, 0.3), Gaussian(SCHEDULE, -0.2)
    x, t = torch.randn(5, 3, 4, 4), torch.full((5,), 30)
    assert torch.equal(
        guided(main.denoiser("v"), pair(main, other, "v"), 1.0)(x, t), main.denoiser("v")(x, t)
    )


def test_outside_of_the_interval_the_guide_is_not_asked() -> None:
    main, other = Gaussian(SCHEDULE, 0.3), Gaussian(SCHEDULE, -0.2)
    asked = []

    def both(x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(int(t[0]))
        return main.denoiser("v")(x, t), other.denoiser("v")(x, t)

    bars = SCHEDULE.log_alpha_bars
    denoise = guided(main.denoiser("v"), both, 2.0, bars, (-2.0, 3.0))
    x = torch.randn(2, 3, 4, 4)
    for t in range(200):
        output = denoise(x, torch.full((2,), t))
        inside = -2 <= math.log(math.exp(bars[t]) / -math.expm1(bars[t])) <= 3
        assert inside is (t in asked)
        assert torch.equal(output, main.denoiser("v")(x, torch.full((2,), t))) is not inside
    assert 0 < len(asked) < 200


def test_log_snr_has_both_ends() -> None:
    assert (log_snr(-math.inf), log_snr(0.0), log_snr(math.log(0.5))) == (-math.inf, math.inf, 0.0)


@pytest.mark.parametrize(
    ("weight", "interval"), [(math.nan, None), (2.0, (1.0, 1.0)), (2.0, (math.nan, 1.0))]
)
def test_what_cannot_be_is_refused(weight: float, interval: tuple[float, float] | None) -> None:
    main = Gaussian(SCHEDULE).denoiser("v")
    with pytest.raises(ValueError, match="guidance"):
        guided(main, lambda x, t: (x, x), weight, SCHEDULE.log_alpha_bars, interval)
