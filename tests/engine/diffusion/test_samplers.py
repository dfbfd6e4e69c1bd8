"""The samplers on Gaussian data, where the answer is known: laws, orders of convergence, edges."""

import math
from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import Tensor

from engine.diffusion.names import Prediction
from engine.diffusion.reverse import sample
from engine.diffusion.samplers import SAMPLERS, SamplerName
from engine.diffusion.schedule import Schedule
from engine.diffusion.spacing import Spacing, timesteps

from .gaussian import Drawn, Gaussian

SHAPE = (2, 3, 4, 4)


def even_in_log_snr(steps: int) -> Schedule:
    """λ from 4 down to −4 evenly, so that halving the number of steps doubles each of them exactly."""
    bars = [1 / (1 + math.exp(-2 * (4 - 8 * step / (steps - 1)))) for step in range(steps)]
    return Schedule.from_betas([1 - a / b for a, b in zip(bars, [1.0, *bars], strict=False)])


def error_at_the_cleanest_level(sampler: SamplerName, prediction: Prediction, steps: int) -> float:
    schedule = even_in_log_snr(961)
    data = Gaussian(schedule)
    noise = Drawn(SHAPE, dtype=torch.float64)
    reached: list[Tensor] = []
    sample(
        data.denoiser(prediction),
        schedule,
        prediction,
        sampler=sampler,
        steps=steps,
        spacing="linspace",
        clip=False,
        noise=noise,
        on_step=lambda index, x, x_0: reached.append(x),
    )
    # The last step leads from the cleanest level to the picture; the order is that of the steps before it.
    return (reached[-2] - data.flow(noise.initial(), 960, 0)).abs().max().item()


@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize(("sampler", "order"), [("ddim", 1), ("dpmpp", 2)])
def test_halving_the_step_shows_the_order(sampler: SamplerName, order: int, prediction: Prediction) -> None:
    errors = [error_at_the_cleanest_level(sampler, prediction, steps) for steps in (31, 61, 121, 241)]
    for coarse, fine in pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.2)
    assert errors[-1] < (2e-4 if sampler == "dpmpp" else 2e-2)


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
@pytest.mark.parametrize("steps", [1, 4, 15])
@pytest.mark.parametrize(
    ("sampler", "eta", "variance"),
    [
        ("ddpm", 0.0, "fixed_small"),
        ("ddpm", 0.0, "fixed_large"),
        ("ddim", 0.0, "fixed_small"),
        ("ddim", 0.6, "fixed_small"),
    ],
)
def test_mean_and_variance_are_those_of_the_chain(
    sampler: SamplerName, eta: float, variance: str, steps: int, spacing: str
) -> None:
    """Each step is linear in x for Gaussian data: its mean and variance follow from Bayes' rule by hand."""
    schedule = Schedule.create("cosine", 60)
    data = Gaussian(schedule)
    mean, spread = 0.0, 1.0
    chosen = timesteps(60, steps, spacing)  # type: ignore[arg-type]
    for t, s in zip(chosen, [*chosen[1:], None], strict=True):
        a_t, v_t = data.alpha[t], data.sigma[t] ** 2
        if s is None:
            from_x_0, from_x, added = 1.0, 0.0, 0.0
        elif sampler == "ddpm":
            # x_s given x_0 is N(α_s x_0, σ_s²), and x_t given x_s is N(r x_s, w): precisions add.
            r = a_t / data.alpha[s]
            w = v_t - r**2 * data.sigma[s] ** 2
            precision = 1 / data.sigma[s] ** 2 + r**2 / w
            from_x_0 = data.alpha[s] / data.sigma[s] ** 2 / precision
            from_x = r / w / precision
            added = 1 / precision if variance == "fixed_small" else w
        else:
            v_s = data.sigma[s] ** 2
            added = eta**2 * v_s / v_t * (1 - (a_t / data.alpha[s]) ** 2)
            from_x = math.sqrt(v_s - added) / data.sigma[t]
            from_x_0 = data.alpha[s] - from_x * a_t
        gain = data.gain(t)
        slope = from_x_0 * gain + from_x
        mean = slope * mean + from_x_0 * (data.mean - gain * a_t * data.mean)
        spread = slope**2 * spread + added

    count = 40_000
    x = sample(
        data.denoiser("v"),
        schedule,
        "v",
        sampler=sampler,
        steps=steps,
        spacing=spacing,  # type: ignore[arg-type]
        eta=eta,
        clip=False,
        variance=variance,  # type: ignore[arg-type]
        noise=Drawn((count, 1, 1, 1), seed=steps),
    )
    error = math.sqrt(spread / count)
    assert x.mean().item() == pytest.approx(mean, abs=5 * error)
    assert x.var().item() == pytest.approx(spread, rel=5 * math.sqrt(2 / count))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_many_steps_draw_the_data(sampler: SamplerName) -> None:
    schedule = Schedule.create("linear", 1000)
    data = Gaussian(schedule)
    x = sample(
        data.denoiser("eps"),
        schedule,
        "eps",
        sampler=sampler,
        steps={"ddpm": 1000, "ddim": 500, "dpmpp": 50}[sampler],
        clip=False,
        noise=Drawn((20_000, 1, 1, 1)),
    )
    assert x.mean().item() == pytest.approx(0.2, abs=0.012)
    assert x.std().item() == pytest.approx(0.3, rel=0.03)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("deviation", [0.05, 0.3, 0.6])
def test_dpmpp_in_ten_steps_beats_ddim_in_twice_as_many(name: str, deviation: float) -> None:
    """Contrast and fine detail at once: pixels that hardly vary, and pixels that do."""
    schedule = Schedule.create(name, 200)  # type: ignore[arg-type]
    data = Gaussian(schedule, deviation=deviation)
    noise = Drawn(SHAPE, dtype=torch.float64)
    right = data.flow(noise.initial(), 199, None)

    def error(sampler: SamplerName, steps: int, spacing: Spacing) -> float:
        x = sample(
            data.denoiser("v"),
            schedule,
            "v",
            sampler=sampler,
            steps=steps,
            spacing=spacing,
            clip=False,
            noise=noise,
        )
        return (x - right).abs().mean().item() / deviation

    ten = error("dpmpp", 10, "logsnr")
    assert ten < 0.15
    assert ten < error("dpmpp", 10, "trailing")
    assert ten < error("dpmpp", 10, "linspace")
    assert ten < error("ddim", 20, "trailing")


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("steps", [2, 7, 50])
def test_ddim_with_eta_one_is_ddpm_with_the_small_variance(steps: int, clip: bool) -> None:
    schedule = Schedule.create("sigmoid", 50)
    denoise = Gaussian(schedule, deviation=0.8).denoiser("eps")
    ours = [
        sample(
            denoise,
            schedule,
            "eps",
            sampler=sampler,  # type: ignore[arg-type]
            steps=steps,
            eta=1.0,
            clip=clip,
            noise=Drawn(SHAPE, dtype=torch.float64),
        )
        for sampler in ("ddpm", "ddim")
    ]
    torch.testing.assert_close(ours[0], ours[1], rtol=0, atol=1e-11)


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
@pytest.mark.parametrize(("sampler", "eta"), [("ddpm", 0.0), ("ddim", 1.0), ("ddim", 0.0), ("dpmpp", 0.0)])
def test_no_noise_at_the_last_step_whatever_its_t(sampler: SamplerName, eta: float, spacing: str) -> None:
    schedule = Schedule.create("linear", 40)
    noise = Drawn(SHAPE)
    seen: list[tuple[int, Tensor, Tensor]] = []
    asked: list[int] = []
    denoise = Gaussian(schedule).denoiser("v")

    def watched(x: Tensor, t: Tensor) -> Tensor:
        assert t.dtype == torch.int64
        assert t.shape == (2,)
        assert t[0] == t[1]
        asked.append(int(t[0]))
        return denoise(x, t)

    x = sample(
        watched,
        schedule,
        "v",
        sampler=sampler,
        steps=6,
        spacing=spacing,  # type: ignore[arg-type]
        eta=eta,
        noise=noise,
        variance="fixed_large",
        on_step=lambda *step: seen.append(step),
    )
    assert asked == timesteps(40, 6, spacing)  # type: ignore[arg-type]
    assert [index for index, _, _ in seen] == list(range(6))
    assert noise.count == (0 if sampler == "dpmpp" or (sampler == "ddim" and eta == 0) else 5)
    assert torch.equal(seen[-1][1], seen[-1][2])
    assert torch.equal(seen[-1][1], x)
    assert not torch.equal(seen[-2][1], seen[-2][2])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "logsnr"])
@pytest.mark.parametrize("steps", [1, 2, 3, 100])
def test_zero_terminal_snr_samples_with_v(sampler: SamplerName, steps: int, spacing: Spacing) -> None:
    schedule = Schedule.create("cosine", 200, zero_terminal_snr=True)
    data = Gaussian(schedule)
    x = sample(
        data.denoiser("v"),
        schedule,
        "v",
        sampler=sampler,
        steps=steps,
        spacing=spacing,
        clip=False,
        noise=Drawn((5000, 1, 1, 1)),
    )
    assert torch.isfinite(x).all()
    assert x.mean().item() == pytest.approx(0.2, abs=0.025)
    if steps == 1:
        # All noise and no picture: the best guess is the mean.
        torch.testing.assert_close(x, torch.full_like(x, 0.2))
    if steps == 100:
        assert x.std().item() == pytest.approx(0.3, rel=0.15)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [5, 20, 200])
def test_an_eps_network_in_bf16_survives_the_end_of_cosine(sampler: SamplerName, steps: int) -> None:
    # 1/√ᾱ_T is above 4000 here, and bf16 keeps 8 bits of ε: the first x_0 is off by tens before clipping.
    schedule = Schedule.create("cosine", 200)
    data = Gaussian(schedule)
    right = data.denoiser("eps")
    x = sample(
        lambda x, t: right(x, t).bfloat16(),
        schedule,
        "eps",
        sampler=sampler,
        steps=steps,
        noise=Drawn((4000, 1, 1, 1)),
    )
    assert x.dtype == torch.float32
    assert x.abs().max() <= 1
    assert x.mean().item() == pytest.approx(0.2, abs=0.05)
    if steps > 5:
        assert x.std().item() == pytest.approx(0.3, rel=0.3)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_exact_eps_survives_the_end_of_cosine_without_clipping(sampler: SamplerName) -> None:
    schedule = Schedule.create("cosine", 200)
    data = Gaussian(schedule)
    noise = Drawn((4000, 1, 1, 1))
    x = sample(data.denoiser("eps"), schedule, "eps", sampler=sampler, steps=50, clip=False, noise=noise)
    assert x.mean().item() == pytest.approx(0.2, abs=0.02)
    assert x.std().item() == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_maths_is_float32_whatever_the_network_speaks(sampler: SamplerName) -> None:
    schedule = Schedule.create("linear", 30)
    right = Gaussian(schedule).denoiser("v")
    weight = torch.ones((), requires_grad=True)
    asked: list[torch.dtype] = []

    def draw(widen: bool) -> Tensor:
        def denoise(x: Tensor, t: Tensor) -> Tensor:
            asked.append(x.dtype)
            output = (right(x, t) * weight).bfloat16()
            return output.float() if widen else output

        return sample(denoise, schedule, "v", sampler=sampler, steps=10, noise=Drawn(SHAPE))

    narrow, wide = draw(False), draw(True)
    assert torch.equal(narrow, wide)
    assert not narrow.requires_grad
    assert set(asked) == {narrow.dtype} == {torch.float32}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_clipping_holds_every_estimate_within_bounds(sampler: SamplerName) -> None:
    schedule = Schedule.create("linear", 30)
    denoise = Gaussian(schedule, mean=0.9, deviation=0.5).denoiser("x0")
    largest = {}
    for clip in (True, False):
        seen: list[float] = []
        sample(
            denoise,
            schedule,
            "x0",
            sampler=sampler,
            steps=10,
            clip=clip,
            noise=Drawn((50, 1, 2, 2)),
            on_step=lambda index, x, x_0, seen=seen: seen.append(x_0.abs().max().item()),
        )
        largest[clip] = max(seen)
    assert largest[True] <= 1 < largest[False]


def test_where_it_starts() -> None:
    schedule = Schedule.create("linear", 10)
    denoise = Gaussian(schedule).denoiser("v")
    noise = Drawn(SHAPE)

    def draw(start: object) -> Tensor:
        return sample(denoise, schedule, "v", start, sampler="ddim", steps=5, noise=noise)  # type: ignore[arg-type]

    assert torch.equal(draw(None), draw(SHAPE))
    assert torch.equal(draw(None), draw(noise.initial().clone()))
    assert not torch.equal(draw(None), draw(-noise.initial()))
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\)"):
        draw((2, 3, 8, 8))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 0}, "from 1 to"),
        ({"steps": 11}, "from 1 to"),
        ({"eta": 1.5}, "eta"),
        ({"eta": -0.1}, "eta"),
        ({"variance": "learned"}, "learned"),
        ({"spacing": "karras"}, "karras"),
    ],
)
def test_impossible_requests_are_refused(changes: dict[str, object], match: str) -> None:
    schedule = Schedule.create("linear", 10)
    arguments: dict[str, object] = {"sampler": "ddpm", "steps": 5, "noise": Drawn(SHAPE)} | changes
    with pytest.raises(ValueError, match=match):
        sample(Gaussian(schedule).denoiser("v"), schedule, "v", **arguments)  # type: ignore[arg-type]


def test_zero_terminal_snr_with_eps_is_refused_before_any_work() -> None:
    schedule = Schedule.create("cosine", 10, zero_terminal_snr=True)

    def never(x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("the network was asked")

    with pytest.raises(ValueError, match="zero terminal SNR"):
        sample(never, schedule, "eps", sampler="ddim", steps=5, noise=Drawn(SHAPE))
