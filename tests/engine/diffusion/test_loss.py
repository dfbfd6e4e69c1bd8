"""Losses by hand, weights by their formulas and by what they mean for the error of x_0."""

from typing import get_args

import pytest
import torch

from engine.diffusion.forward import add_noise, predict_x_0, target
from engine.diffusion.loss import loss_per_picture, weights
from engine.diffusion.names import LossKind, Prediction
from engine.diffusion.schedule import Schedule


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("l1", (0.25 + 1 + 3) / 4), ("l2", (0.0625 + 1 + 9) / 4), ("huber", (0.03125 + 0.5 + 2.5) / 4)],
)
def test_losses_by_hand(kind: LossKind, expected: float) -> None:
    output = torch.tensor([0.0, 0.25, -1.0, 3.0]).view(1, 1, 2, 2)
    assert loss_per_picture(output, torch.zeros(1, 1, 2, 2), kind).tolist() == [pytest.approx(expected)]


def test_each_picture_has_its_own_loss_and_gradient() -> None:
    output = torch.ones(3, 2, 2, 2, requires_grad=True)
    goal = torch.tensor([0.0, 1.0, 2.5]).view(3, 1, 1, 1).expand(3, 2, 2, 2)
    loss = loss_per_picture(output, goal, "l2")
    assert loss.tolist() == [1.0, 0.0, 2.25]
    loss[2].backward()
    assert output.grad is not None
    assert (output.grad[:2] == 0).all()
    assert (output.grad[2] == -3 / 8).all()


def test_bf16_output_is_compared_in_float32() -> None:
    output = torch.full((1, 1, 32, 32), 1.0, dtype=torch.bfloat16)
    loss = loss_per_picture(output, torch.full((1, 1, 32, 32), 1.001), "l1")
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.001, rel=1e-3)


def test_shapes_must_agree_and_kinds_be_known() -> None:
    with pytest.raises(ValueError, match="shape"):
        loss_per_picture(torch.zeros(2, 3, 4, 4), torch.zeros(1, 3, 4, 4), "l1")
    with pytest.raises(ValueError, match="l3"):
        loss_per_picture(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), "l3")  # type: ignore[arg-type]


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_by_its_formulas(gamma: float) -> None:
    schedule = Schedule.create("cosine", 40)
    t = torch.arange(40)
    s = (torch.tensor(schedule.log_alpha_bars, dtype=torch.float64)).exp()
    s = s / (1 - s)
    capped = torch.minimum(s, torch.tensor(gamma, dtype=torch.float64))
    assert 0 < int((s > gamma).sum()) < 40
    for prediction, expected in (("eps", capped / s), ("x0", capped), ("v", capped / (s + 1))):
        found = weights(schedule, t, prediction, gamma)  # type: ignore[arg-type]
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-8)


def test_min_snr_weighs_the_error_of_x_0_alike_for_every_prediction() -> None:
    schedule = Schedule.create("linear", 30)
    generator = torch.Generator().manual_seed(0)
    x_0, eps, error = (torch.randn(30, 1, 2, 2, generator=generator) for _ in range(3))
    t = torch.arange(30)
    x_t = add_noise(schedule, x_0, eps, t)
    for prediction in get_args(Prediction):
        goal = target(schedule, prediction, x_0, eps, t)
        output = goal + 0.1 * error
        loss = weights(schedule, t, prediction, 5.0) * loss_per_picture(output, goal, "l2")
        x_0_error = loss_per_picture(predict_x_0(schedule, prediction, output, x_t, t), x_0, "l2")
        torch.testing.assert_close(loss, schedule.snr.clamp(max=5.0) * x_0_error, rtol=2e-3, atol=1e-7)


def test_without_gamma_every_weight_is_one() -> None:
    found = weights(Schedule.create("linear", 10), torch.tensor([0, 9, 4]), "eps", None)
    assert found.dtype == torch.float32
    assert found.tolist() == [1.0, 1.0, 1.0]


def test_zero_terminal_snr_and_useless_gammas() -> None:
    schedule = Schedule.create("cosine", 10, zero_terminal_snr=True)
    t = torch.arange(10)
    with pytest.raises(ValueError, match="zero terminal SNR"):
        weights(schedule, t, "eps", 5.0)
    for prediction in ("x0", "v"):
        found = weights(schedule, t, prediction, 5.0)  # type: ignore[arg-type]
        assert torch.isfinite(found).all()
        assert found[-1] == 0
    with pytest.raises(ValueError, match="min_snr_gamma"):
        weights(schedule, t, "v", 0.0)
