"""The timestep as a vector."""

import math

import torch

from engine.models.embedding import TimeEmbedding, sinusoids


def test_sines_and_cosines_from_the_shortest_to_the_longest_wave() -> None:
    waves = sinusoids(torch.tensor([0, 3, 999]), 6)
    assert waves.dtype == torch.float32
    for row, t in zip(waves.double(), (0, 3, 999), strict=True):
        rates = [1.0, 1e-2, 1e-4]  # wavelengths 2π, 2π·100, 2π·10,000
        wanted = [math.sin(t * rate) for rate in rates] + [math.cos(t * rate) for rate in rates]
        torch.testing.assert_close(row, torch.tensor(wanted, dtype=torch.float64), rtol=1e-4, atol=1e-4)


def test_an_odd_width_ends_in_a_zero() -> None:
    waves = sinusoids(torch.arange(4), 5)
    assert waves.shape == (4, 5)
    assert (waves[:, 4] == 0).all()


def test_every_step_of_a_thousand_has_its_own_vector() -> None:
    torch.manual_seed(0)
    vectors = TimeEmbedding(16, 32)(torch.arange(1000))
    assert vectors.shape == (1000, 32)
    assert (torch.cdist(vectors, vectors) + torch.eye(1000)).min() > 1e-4
