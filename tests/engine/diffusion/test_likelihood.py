"""The variational bound against torch.distributions, and against the entropy of Gaussian data."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from engine.diffusion.forward import add_noise
from engine.diffusion.likelihood import prior_bits, variational_bound, vlb_terms
from engine.diffusion.schedule import Schedule

from .gaussian import Drawn, Gaussian

LN2 = math.log(2)


def on_the_byte_grid(x: Tensor) -> Tensor:
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
@pytest.mark.parametrize("zero", [False, True])
def test_each_step_costs_its_kl_divergence(variance: str, zero: bool) -> None:
    schedule = Schedule.create("cosine", 30, zero_terminal_snr=zero)
    x_0, eps, wrong = (Drawn((30, 2, 3, 3), seed=seed).initial().clamp(-1, 1) for seed in (1, 2, 3))
    t = torch.arange(30)
    x_t = add_noise(schedule, x_0, eps, t)
    found = vlb_terms(schedule, "x0", wrong, x_0, x_t, t, variance=variance)  # type: ignore[arg-type]
    assert found.dtype == torch.float32
    bar = torch.tensor(schedule.log_alpha_bars, dtype=torch.float64).exp()
    for step in range(1, 30):
        now, before = bar[step], bar[step - 1]
        beta = 1 - now / before
        small = (1 - before) / (1 - now) * beta

        def mean(
            x: Tensor, step: int = step, now: Tensor = now, before: Tensor = before, beta: Tensor = beta
        ) -> Tensor:
            shared = (1 - beta).sqrt() * (1 - before) / (1 - now) * x_t[step].double()
            return before.sqrt() * beta / (1 - now) * x.double() + shared

        q = Normal(mean(x_0[step]), small.sqrt())
        p = Normal(mean(wrong[step]), (small if variance == "fixed_small" else beta).sqrt())
        assert found[step].item() == pytest.approx(
            kl_divergence(q, p).mean().item() / LN2, rel=1e-4, abs=1e-7
        )


def test_the_prior_costs_its_kl_divergence() -> None:
    x_0 = Drawn((4, 3, 5, 5)).initial().clamp(-1, 1)
    for schedule in (Schedule.create("linear", 50, "none"), Schedule.create("cosine", 50)):
        bar = math.exp(schedule.log_alpha_bars[-1])
        q = Normal(math.sqrt(bar) * x_0.double(), math.sqrt(1 - bar))
        expected = kl_divergence(q, Normal(0.0, 1.0)).flatten(1).mean(1) / LN2
        torch.testing.assert_close(prior_bits(schedule, x_0).double(), expected, rtol=1e-4, atol=1e-9)
    assert prior_bits(Schedule.create("cosine", 9, zero_terminal_snr=True), x_0).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("steps", [1, 2, 1000])
@pytest.mark.parametrize("guess", [-1.0, -0.4, 0.123, 0.98])
def test_the_decoder_shares_one_out_over_the_256_levels(steps: int, guess: float) -> None:
    schedule = Schedule.create("linear", steps)
    x_0 = (torch.arange(256) / 127.5 - 1).view(256, 1, 1, 1)
    t = torch.zeros(256, dtype=torch.int64)
    bits = vlb_terms(schedule, "x0", torch.full_like(x_0, guess), x_0, torch.zeros_like(x_0), t)
    assert torch.isfinite(bits).all()
    assert (2 ** -bits.double()).sum().item() == pytest.approx(1, abs=1e-4)
    nearest = round((guess + 1) * 127.5)
    if steps == 1000:  # else it is so wide that an outermost level, open to infinity, gets the most
        assert bits.argmin().item() == nearest
    deviation = (schedule.posterior_variance[1] if steps > 1 else schedule.betas[0]).double().sqrt()
    levels = Normal(torch.tensor(guess, dtype=torch.float64), deviation)
    inner = x_0.flatten().double()[1:-1]
    mass = levels.cdf(inner + 1 / 255) - levels.cdf(inner - 1 / 255)
    sure = mass > 1e-9
    torch.testing.assert_close((2 ** -bits.double())[1:-1][sure], mass[sure], rtol=2e-3, atol=1e-9)


def test_clipping_takes_an_estimate_back_within_bounds() -> None:
    schedule = Schedule.create("linear", 10)
    x_0 = on_the_byte_grid(Drawn((10, 1, 3, 3)).initial())
    t = torch.arange(10)
    x_t = add_noise(schedule, x_0, torch.zeros_like(x_0), t)

    def bits(guess: float, clip: bool) -> Tensor:
        return vlb_terms(schedule, "x0", torch.full_like(x_0, guess), x_0, x_t, t, clip=clip)

    assert torch.equal(bits(7.0, True), bits(1.0, False))
    assert (bits(7.0, False) > bits(7.0, True)).all()


def test_expected_costs_of_the_best_denoiser() -> None:
    # E(x_0 − x̂_0)² is the posterior variance s²σ²/(α²s² + σ²); the costs follow without any network.
    schedule = Schedule.create("linear", 100)
    data = Gaussian(schedule, mean=0.1, deviation=0.25)
    x_0 = 0.1 + 0.25 * Drawn((40, 1, 32, 32), seed=5).initial()
    bound = variational_bound(
        data.denoiser("eps"),
        schedule,
        "eps",
        x_0,
        Drawn((40, 1, 32, 32)),
        clip=False,
        timesteps=[0, 1, 10, 60, 99],
    )
    assert bound.timesteps == (0, 1, 10, 60, 99)
    for column, t in list(enumerate(bound.timesteps))[1:]:
        left = 0.25**2 * data.sigma[t] ** 2 / data.variance_at(t)
        beta = schedule.betas[t].item()
        coefficient = data.alpha[t - 1] * beta / data.sigma[t] ** 2
        small = data.sigma[t - 1] ** 2 / data.sigma[t] ** 2 * beta
        expected = coefficient**2 * left / (2 * small) / LN2
        assert bound.steps[:, column].mean().item() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_the_bound_comes_down_to_the_entropy(prediction: str) -> None:
    schedule = Schedule.create("cosine", 1000)
    data = Gaussian(schedule, mean=0.1, deviation=0.25)
    x_0 = on_the_byte_grid(0.1 + 0.25 * Drawn((16, 1, 16, 16), seed=5).initial())
    bound = variational_bound(
        data.denoiser(prediction),  # type: ignore[arg-type]
        schedule,
        prediction,  # type: ignore[arg-type]
        x_0,
        Drawn(x_0.shape),
        variance="fixed_large",
        clip=False,
    )
    # β is nearly the right variance of each step here; the decoder's is about half of the right one.
    # −log₂ of the density at these very pixels, spread over levels 2/255 apart.
    exact = -Normal(0.1, 0.25).log_prob(x_0).mean().item() / LN2 + math.log2(127.5)
    assert 0 < bound.total.mean().item() - exact < 0.2
    assert bound.steps.shape == (16, 1000)
    assert bound.total.shape == bound.prior.shape == (16,)
    torch.testing.assert_close(bound.total, bound.prior + bound.steps.sum(1))


def test_a_worse_denoiser_and_an_unscaled_schedule_cost_more() -> None:
    schedule, short = Schedule.create("linear", 200), Schedule.create("linear", 200, "none")
    x_0 = on_the_byte_grid(0.1 + 0.25 * Drawn((8, 1, 8, 8), seed=5).initial())

    def total(schedule: Schedule, mean: float) -> float:
        denoise = Gaussian(schedule, mean=mean, deviation=0.25).denoiser("eps")
        return variational_bound(denoise, schedule, "eps", x_0, Drawn(x_0.shape)).total.mean().item()

    assert total(schedule, 0.1) < total(schedule, 0.4) < total(schedule, -0.6)
    assert prior_bits(short, x_0).mean() > 100 * prior_bits(schedule, x_0).mean()


class Still:
    """No noise at all, so that a term depends on nothing but its t."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def initial(self) -> Tensor:
        return torch.zeros(self.shape)

    def next(self) -> Tensor:
        return torch.zeros(self.shape)


def test_a_few_timesteps_estimate_the_whole_without_bias() -> None:
    schedule = Schedule.create("linear", 12)
    x_0 = on_the_byte_grid(Drawn((3, 1, 4, 4)).initial())
    denoise = Gaussian(schedule).denoiser("v")
    whole = variational_bound(denoise, schedule, "v", x_0, Still(x_0.shape))
    parts = [
        variational_bound(denoise, schedule, "v", x_0, Still(x_0.shape), timesteps=[t, 0]).total
        for t in range(1, 12)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(0), whole.total)
    assert torch.stack(parts).std(0).min() > 0.01


def test_one_step_is_a_prior_and_a_decoder() -> None:
    schedule = Schedule.create("cosine", 1)
    x_0 = on_the_byte_grid(Drawn((3, 1, 4, 4)).initial())
    bound = variational_bound(Gaussian(schedule).denoiser("v"), schedule, "v", x_0, Drawn(x_0.shape))
    torch.testing.assert_close(bound.total, bound.prior + bound.steps[:, 0])


@pytest.mark.parametrize("chosen", [[], [1, 2], [0], [0, 0, 1], [0, 12], [-1, 0]])
def test_useless_choices_of_timesteps_are_refused(chosen: list[int]) -> None:
    schedule = Schedule.create("linear", 12)
    x_0 = torch.zeros(1, 1, 2, 2)
    with pytest.raises(ValueError, match="timesteps"):
        variational_bound(
            Gaussian(schedule).denoiser("v"), schedule, "v", x_0, Still(x_0.shape), timesteps=chosen
        )


def test_eps_with_zero_terminal_snr_is_refused() -> None:
    schedule = Schedule.create("linear", 12, zero_terminal_snr=True)
    x_0 = torch.zeros(1, 1, 2, 2)

    def never(x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("the network was asked")

    with pytest.raises(ValueError, match="zero terminal SNR"):
        variational_bound(never, schedule, "eps", x_0, Still(x_0.shape))
