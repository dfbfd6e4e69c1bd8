"""Editing against data of which everything is known: what is inverted comes back, and what is known stays."""

import pytest
import torch

from engine.diffusion.editing import inpaint, invert, slerp
from engine.diffusion.reverse import sample
from engine.diffusion.schedule import Schedule
from engine.diffusion.spacing import timesteps
from tests.engine.diffusion.gaussian import Drawn, Gaussian

SCHEDULE = Schedule.create("cosine", 200)


@pytest.mark.parametrize("steps", [10, 50])
def test_what_is_inverted_is_drawn_again(steps: int) -> None:
    denoise = Gaussian(SCHEDULE, 0.2, 0.3).denoiser("v")
    chosen = timesteps(200, steps, "trailing", SCHEDULE.log_alpha_bars)
    x_0 = 0.2 + 0.3 * torch.randn(
        64, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    noise = invert(denoise, SCHEDULE, "v", x_0, list(chosen))
    assert abs(float(noise.std()) - 1) < 3 / steps  # few steps have noise of their own
    again = sample(
        denoise,
        SCHEDULE,
        "v",
        noise,
        sampler="ddim",
        steps=steps,
        noise=Drawn((1,)),
        spacing="trailing",
        clip=False,
    )
    assert float((again - x_0).abs().max()) < 0.5 / steps


def test_a_morph_keeps_the_length_of_noise_and_its_ends() -> None:
    a, b = torch.randn(1, 3, 16, 16), torch.randn(1, 3, 16, 16)
    found = slerp(a, b, torch.linspace(0, 1, 5))
    assert torch.allclose(found[:1], a, atol=1e-6)
    assert torch.allclose(found[-1:], b, atol=1e-6)
    lengths = found.flatten(1).norm(dim=1)
    assert float((lengths / a.norm() - 1).abs().max()) < 0.1
    assert float(((a + b) / 2).norm() / a.norm()) < 0.8
    assert torch.equal(slerp(a, a, torch.tensor([0.0, 0.5])), torch.cat([a, a]))


@pytest.mark.parametrize("repeats", [1, 4])
def test_outside_of_the_mask_nothing_changes_and_inside_it_is_like_the_data(repeats: int) -> None:
    denoise = Gaussian(SCHEDULE, 0.2, 0.1).denoiser("v")
    chosen = list(timesteps(200, 40, "trailing", SCHEDULE.log_alpha_bars))
    known = torch.full((200, 3, 4, 4), -0.9)
    mask = torch.zeros(1, 1, 4, 4)
    mask[..., 1:3, :2] = 1
    calls: list[int] = []
    found = inpaint(
        denoise, SCHEDULE, "v", known, mask, chosen, Drawn(tuple(known.shape)), repeats, visit=calls.append
    )
    hole = (mask > 0).expand_as(known)
    assert torch.equal(found[~hole], known[~hole])
    assert abs(float(found[hole].mean()) - 0.2) < 0.02
    assert abs(float(found[hole].std()) - 0.1) < 0.03
    assert calls[-1] == 39 * repeats + 1


def test_a_part_of_the_steps_leads_from_where_the_picture_is() -> None:
    """The flow from the middle of the way to the data is known."""
    gaussian = Gaussian(SCHEDULE, 0.2, 0.3)
    chosen = timesteps(200, 100, "trailing", SCHEDULE.log_alpha_bars)
    x = torch.linspace(-1, 1, 9, dtype=torch.float64).view(9, 1, 1, 1)
    found = sample(
        gaussian.denoiser("v"),
        SCHEDULE,
        "v",
        x,
        sampler="ddim",
        steps=100,
        noise=Drawn((1,)),
        clip=False,
        begin=60,
    )
    assert float((found - gaussian.flow(x, chosen[60], None)).abs().max()) < 0.02
