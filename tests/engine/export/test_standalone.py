"""The code that exports carry computes what this program computes."""

import re
from typing import get_args

import numpy as np
import pytest
import torch

from engine.diffusion.names import Prediction, Variance
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import sample, to_uint8
from engine.diffusion.samplers import SAMPLERS, SamplerName
from engine.diffusion.schedule import Schedule
from engine.diffusion.spacing import Spacing
from engine.export.bundle import bundle
from engine.export.standalone import numpy_sampler

SHAPE = (3, 9, 9)
"""243 numbers: blocks of 16 do not fit."""


@pytest.mark.parametrize("shape", [SHAPE, (3, 16, 16)])
def test_the_noise_is_torchs(shape: tuple[int, ...]) -> None:
    theirs, ours = PictureNoise(-7, [3], shape), numpy_sampler.Noise(-7, "sampling.steps", 3)
    for _ in range(2):
        assert np.allclose(ours.draw(shape), theirs.next()[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("prediction", get_args(Prediction))
@pytest.mark.parametrize("variance", get_args(Variance))
@pytest.mark.parametrize(("spacing", "clip", "zero"), [("logsnr", True, False), ("trailing", False, True)])
def test_the_samplers_are_the_same(
    sampler: SamplerName, prediction: Prediction, variance: Variance, spacing: Spacing, clip: bool, zero: bool
) -> None:
    schedule = Schedule.create("linear", 40, zero_terminal_snr=zero and prediction != "eps")

    def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return 0.4 * torch.tanh(x) + 0.01 * t[:, None, None, None] / 40

    eta = 0.5 if sampler == "ddim" else 0.0
    wanted = sample(
        network, schedule, prediction, None, sampler=sampler, steps=6, noise=PictureNoise(1, [0, 5], SHAPE),
        spacing=spacing, eta=eta, clip=clip, variance=variance,
    )  # fmt: skip
    logs = [None if value == float("-inf") else value for value in schedule.log_alpha_bars]
    facts = {"size": 9, "prediction": prediction, "log_alpha_bars": logs, "spacings": {sampler: spacing}}
    facts["settings"] = {"sampler": sampler, "steps": 6, "eta": eta, "variance": variance, "clip": clip}
    drawn = numpy_sampler.draw(
        lambda x, t: network(torch.from_numpy(x), torch.from_numpy(t)).numpy(), facts, [0, 5], 1
    )
    assert np.abs(drawn.astype(int) - to_uint8(wanted).numpy().astype(int)).max() <= 1


def test_a_bundle_has_each_module_once_and_imports_nothing_of_ours() -> None:
    for module in ("numpy_sampler", "diffusers_unet", "diffusers_scheduler", "diffusers_pipeline"):
        text = bundle(f"engine.export.standalone.{module}", "From here.")
        compile(text, module, "exec")
        assert not re.search(r"^\s*(from|import) (engine|ddpm_tui)\b", text, re.MULTILINE)
        assert text.count("def seed_for") <= 1
        assert "# From here." in text


def test_a_bundle_refuses_imports_that_it_cannot_join() -> None:
    with pytest.raises(ValueError, match=r"imports a whole module|renames"):
        bundle("engine.sampling.load", "")
