"""The small parts of training against their formulas."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from engine.models.ema import Ema, decay
from engine.training.batches import Feeder, epoch_order, scale
from engine.training.session import largest_micro_batch
from engine.training.state import Sums


def test_ema_is_a_half_life_in_pictures_with_warm_up() -> None:
    # 44,000 pictures is about 0.999 at batch 64.
    assert decay(10**9, 64, 44_000, 0.05) == pytest.approx(0.999, abs=1e-5)
    # Early on the half-life is 5 % of the pictures seen: the initial noise is forgotten.
    assert decay(6400, 64, 44_000, 0.05) == pytest.approx(0.5 ** (64 / 320))
    model = nn.Linear(1, 1, bias=False)
    ema = Ema(model)
    initial = ema.values[0].item()
    with torch.no_grad():
        model.weight.fill_(5.0)
    for step in range(1, 200):
        ema.update(step * 64, 64, 44_000, 0.05)
    assert ema.values[0].item() == pytest.approx(5.0, abs=abs(5 - initial) * 1e-3)


def test_swapping_the_average_in_restores_the_weights_even_after_an_error() -> None:
    model = nn.Linear(2, 2)
    ema = Ema(model)
    trained = model.weight.detach().clone()
    average = ema.state()["weight"].clone().add_(1)
    ema.load({**{k: v.clone() for k, v in ema.state().items()}, "weight": average})

    def fails_inside() -> None:
        with ema.swapped_in():
            assert torch.equal(model.weight, average)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_inside()
    assert torch.equal(model.weight, trained)
    assert torch.equal(ema.state()["weight"], average)


def feeder(**changes: object) -> Feeder:
    pictures = np.arange(50 * 3 * 4, dtype=np.uint8).reshape(50, 3, 2, 2)
    settings = {
        "batch_size": 8,
        "steps": 100,
        "seed": 3,
        "flip": True,
        "device": torch.device("cpu"),
    } | changes
    return Feeder(pictures, np.arange(5, 50), **settings)  # type: ignore[arg-type]


def test_an_epoch_sees_each_picture_once_and_no_short_batch() -> None:
    f = feeder()
    assert f.steps_per_epoch == 5
    seen = np.concatenate([f.indices(step) for step in range(5)])
    assert len(set(seen)) == 40
    assert set(seen) <= set(range(5, 50))
    assert not np.array_equal(seen, np.concatenate([f.indices(step) for step in range(5, 10)]))


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    a, b = feeder().batch(7), feeder().batch(7)
    assert torch.equal(a.eps, b.eps)
    assert torch.equal(a.t, b.t)
    assert torch.equal(a.x_0, b.x_0)
    assert not torch.equal(a.eps, feeder(seed=4).batch(7).eps)
    assert not torch.equal(a.eps, feeder().batch(8).eps)


def test_flips_mirror_about_half_and_can_be_off() -> None:
    plain = feeder(flip=False)
    flipped = feeder(flip=True)
    mirrored = 0
    for step in range(20):
        for x, y in zip(plain.batch(step).x_0, flipped.batch(step).x_0, strict=True):
            assert torch.equal(x, y) or torch.equal(x.flip(2), y)
            mirrored += not torch.equal(x, y)
    assert 50 < mirrored < 110


def test_order_is_a_permutation_that_differs_by_epoch() -> None:
    assert sorted(epoch_order(0, 0, 30)) == list(range(30))
    assert not np.array_equal(epoch_order(0, 0, 30), epoch_order(0, 1, 30))


def test_scale_reaches_both_ends() -> None:
    assert scale(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_sums_leave_bad_steps_out_of_means_and_count_them() -> None:
    sums = Sums.zero(torch.device("cpu"))
    good, bad = torch.tensor(1.0), torch.tensor(0.0)
    sums.add(torch.tensor(2.0), torch.tensor(1.0), good)
    sums.add(torch.tensor(math.nan), torch.tensor(math.inf), bad)
    sums.add(torch.tensor(math.nan), torch.tensor(1.0), bad)
    read = sums.read()
    assert (read["window_loss"], read["window_steps"], read["bad"], read["row"]) == (2.0, 1.0, 2.0, 2.0)
    sums.add(torch.tensor(4.0), torch.tensor(1.0), good)
    assert sums.read()["row"] == 0.0
    sums.clear("window_")
    assert sums.read()["window_loss"] == 0.0
    assert sums.read()["epoch_loss"] == 6.0


def test_the_micro_batch_is_the_largest_divisor_that_fits() -> None:
    assert largest_micro_batch(128, 10, 1280) == 128
    assert largest_micro_batch(128, 10, 1279) == 64
    assert largest_micro_batch(96, 10, 330) == 32
    assert largest_micro_batch(64, 10, 1) == 1
