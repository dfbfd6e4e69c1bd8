"""Noise of each picture's own, and pictures as bytes."""

import pytest
import torch
from torch import Tensor

from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import sample, to_uint8
from engine.diffusion.samplers import SAMPLERS, SamplerName
from engine.diffusion.schedule import Schedule

from .gaussian import Gaussian

CHW = (3, 6, 6)


def test_picture_seven_is_picture_seven_in_any_batch() -> None:
    whole, part = PictureNoise(5, range(64), CHW), PictureNoise(5, [7, 3], CHW)
    assert torch.equal(whole.initial()[[7, 3]], part.initial())
    for _ in range(3):
        assert torch.equal(whole.next()[[7, 3]], part.next())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_do_not_depend_on_the_batch(sampler: SamplerName) -> None:
    schedule = Schedule.create("linear", 30)

    def draw(indices: range) -> Tensor:
        noise = PictureNoise(11, indices, CHW)
        return sample(Gaussian(schedule).denoiser("v"), schedule, "v", sampler=sampler, steps=6, noise=noise)

    together = draw(range(10))
    apart = torch.cat([draw(range(4)), draw(range(4, 9)), draw(range(9, 10))])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-6)


def test_noise_is_noise() -> None:
    noise = PictureNoise(0, range(200), (3, 8, 8))
    draws = torch.stack([noise.initial(), noise.next(), noise.next()])
    assert draws.dtype == torch.float32
    assert draws.shape == (3, 200, 3, 8, 8)
    flat = draws.reshape(600, -1)
    assert flat.mean().item() == pytest.approx(0, abs=0.01)
    assert flat.var().item() == pytest.approx(1, abs=0.02)
    # No two of the 600 draws resemble each other: 192 numbers each, so a correlation of 0.4 is six sigma.
    correlation = torch.corrcoef(flat) - torch.eye(600)
    assert correlation.abs().max() < 0.45


def test_seeds_and_indices_matter() -> None:
    one = PictureNoise(1, [0], CHW).initial()
    assert not torch.equal(one, PictureNoise(2, [0], CHW).initial())
    assert not torch.equal(one, PictureNoise(1, [1], CHW).initial())
    assert torch.equal(one, PictureNoise(1, [0], CHW).initial())


def test_asking_for_the_start_changes_nothing() -> None:
    asked, quiet = PictureNoise(1, [0, 1], CHW), PictureNoise(1, [0, 1], CHW)
    assert torch.equal(asked.initial(), asked.initial())
    first = asked.next()
    assert torch.equal(first, quiet.next())
    asked.initial()
    assert torch.equal(asked.next(), quiet.next())
    assert not torch.equal(first, asked.initial())


def test_bytes_are_clamped_then_rounded() -> None:
    values = torch.tensor(
        [-5.0, -1.0, -1 + 0.9 / 255, -1 + 1.1 / 255, 0.0, 1 - 1.1 / 255, 1.0, 1.01, 300.0, torch.nan]
    )
    found = to_uint8(values.view(10, 1, 1, 1))
    assert found.dtype == torch.uint8
    assert found.flatten().tolist() == [0, 0, 0, 1, 128, 254, 255, 255, 255, 0]


def test_bytes_have_their_channels_last() -> None:
    x = torch.zeros(2, 3, 4, 5)
    x[1, 2, 3, 4] = 1.0
    found = to_uint8(x)
    assert found.shape == (2, 4, 5, 3)
    assert found.is_contiguous()
    assert found[1, 3, 4].tolist() == [128, 128, 255]


def test_every_byte_comes_back() -> None:
    levels = torch.arange(256)
    for dtype in (torch.float32, torch.float64):
        x = (levels.to(dtype) / 127.5 - 1).view(256, 1, 1, 1)
        assert torch.equal(to_uint8(x).flatten().long(), levels)
