"""The samplers beside the schedulers of `diffusers`, with the same β, timesteps, noise and network output.

Their tables are float32, so agreement is to a few 1e-5. Settings differ where theirs cannot be set the same:
ddim only where S divides T (their previous step is t − T//S), dpmpp without clipping.
"""

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

diffusers = pytest.importorskip("diffusers")

from engine.diffusion import tables  # noqa: E402
from engine.diffusion.forward import add_noise, velocity  # noqa: E402
from engine.diffusion.names import Prediction  # noqa: E402
from engine.diffusion.reverse import sample  # noqa: E402
from engine.diffusion.schedule import Schedule  # noqa: E402
from engine.diffusion.schedules import ScheduleName  # noqa: E402
from engine.diffusion.spacing import timesteps  # noqa: E402

from .gaussian import Drawn  # noqa: E402

SHAPE = (2, 3, 4, 4)
THEIR_PREDICTION = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}


def network(x: Tensor, t: Tensor) -> Tensor:
    """Something smooth, bent and dependent on t, that is nobody's right answer."""
    return 0.8 * torch.sin(1.3 * x + 0.01 * t.view(-1, 1, 1, 1)) + 0.1 * x.roll(1, -1)


def theirs(scheduler: Any, steps: int, noise: Drawn, **step_options: Any) -> tuple[Tensor, list[int]]:
    scheduler.set_timesteps(steps)
    x = noise.initial() * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        output = network(x, t.expand(x.shape[0]))
        x = scheduler.step(output, t, x, generator=noise.generator, **step_options).prev_sample
    return x, scheduler.timesteps.tolist()


def options(name: ScheduleName, T: int, prediction: str) -> dict[str, Any]:  # noqa: N803
    return {
        "num_train_timesteps": T,
        "trained_betas": tables.betas(name, T),
        "prediction_type": THEIR_PREDICTION[prediction],
    }


@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize("name", ["linear", "quadratic", "sigmoid"])
@pytest.mark.parametrize(("variance", "clip"), [("fixed_small", False), ("fixed_large", True)])
@pytest.mark.parametrize("steps", [50, 10])
def test_ddpm(name: ScheduleName, prediction: Prediction, variance: str, clip: bool, steps: int) -> None:
    scheduler = diffusers.DDPMScheduler(
        **options(name, 50, prediction), variance_type=variance, clip_sample=clip, timestep_spacing="leading"
    )
    expected, chosen = theirs(scheduler, steps, Drawn(SHAPE))
    assert chosen == timesteps(50, steps, "leading")
    found = sample(
        network,
        Schedule.create(name, 50),
        prediction,
        sampler="ddpm",
        steps=steps,
        spacing="leading",
        clip=clip,
        variance=variance,  # type: ignore[arg-type]
        noise=Drawn(SHAPE),
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize("name", get_args(ScheduleName))
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("steps", "clip"), [(100, True), (10, False), (4, True)])
def test_ddim(name: ScheduleName, prediction: Prediction, eta: float, steps: int, clip: bool) -> None:
    if name == "cosine" and not clip:
        name = "linear"
    scheduler = diffusers.DDIMScheduler(
        **options(name, 100, prediction), clip_sample=clip, set_alpha_to_one=True, timestep_spacing="leading"
    )
    expected, chosen = theirs(scheduler, steps, Drawn(SHAPE), eta=eta, use_clipped_model_output=clip)
    assert chosen == timesteps(100, steps, "leading")
    found = sample(
        network,
        Schedule.create(name, 100),
        prediction,
        sampler="ddim",
        steps=steps,
        spacing="leading",
        eta=eta,
        clip=clip,
        noise=Drawn(SHAPE),
    )
    torch.testing.assert_close(found, expected, rtol=3e-4, atol=3e-4)


@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize("name", get_args(ScheduleName))
@pytest.mark.parametrize("steps", [1, 2, 7, 20, 100])
def test_dpmpp(name: ScheduleName, prediction: Prediction, steps: int) -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        **options(name, 200, prediction),
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        final_sigmas_type="zero",
        timestep_spacing="trailing",
    )
    expected, chosen = theirs(scheduler, steps, Drawn(SHAPE))
    assert chosen == timesteps(200, steps, "trailing")
    found = sample(
        network,
        Schedule.create(name, 200),
        prediction,
        sampler="dpmpp",
        steps=steps,
        clip=False,
        noise=Drawn(SHAPE),
    )
    scale = expected.abs().max().clamp(min=1).item()
    torch.testing.assert_close(found / scale, expected / scale, rtol=0, atol=3e-4)


@pytest.mark.parametrize(
    ("name", "their_name"),
    [
        ("linear", "linear"),
        ("quadratic", "scaled_linear"),
        ("cosine", "squaredcos_cap_v2"),
        ("sigmoid", "sigmoid"),
    ],
)
@pytest.mark.parametrize("T", [50, 1000])
def test_tables_and_noising(name: ScheduleName, their_name: str, T: int) -> None:  # noqa: N803
    scheduler = diffusers.DDPMScheduler(
        num_train_timesteps=T, beta_schedule=their_name, beta_start=1e-4, beta_end=0.02
    )
    schedule = Schedule.create(name, T, "none")
    torch.testing.assert_close(schedule.betas, scheduler.betas, rtol=2e-3, atol=1e-6)
    torch.testing.assert_close(schedule.alpha_bar, scheduler.alphas_cumprod, rtol=1e-4, atol=1e-6)
    x_0, eps = Drawn((T, 1, 2, 2)).initial(), Drawn((T, 1, 2, 2), seed=9).initial()
    t = torch.arange(T)
    torch.testing.assert_close(
        add_noise(schedule, x_0, eps, t), scheduler.add_noise(x_0, eps, t), rtol=0, atol=1e-4
    )
    torch.testing.assert_close(
        velocity(schedule, x_0, eps, t), scheduler.get_velocity(x_0, eps, t), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_zero_terminal_snr_table(name: ScheduleName) -> None:
    from diffusers.schedulers.scheduling_ddpm import rescale_zero_terminal_snr

    plain = torch.tensor(tables.betas(name, 200), dtype=torch.float64)
    expected = rescale_zero_terminal_snr(plain)
    found = torch.tensor(tables.betas(name, 200, zero_terminal_snr=True), dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3, 7, 33, 100])
def test_spacings(steps: int) -> None:
    for spacing in ("trailing", "linspace"):
        scheduler = diffusers.DDIMScheduler(num_train_timesteps=100, timestep_spacing=spacing)
        scheduler.set_timesteps(steps)
        if not (spacing == "linspace" and steps == 1):  # theirs would start, and end, at t = 0
            assert timesteps(100, steps, spacing) == scheduler.timesteps.tolist()  # type: ignore[arg-type]
