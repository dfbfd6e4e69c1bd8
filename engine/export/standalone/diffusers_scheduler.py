"""The samplers of this model as a scheduler of diffusers."""

from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, SchedulerMixin
from diffusers.configuration_utils import register_to_config
from diffusers.utils import BaseOutput
from torch import Tensor

from engine.diffusion.spacing import Spacing
from engine.export.standalone.coefficients import SamplingStep, coefficients


@dataclass
class DdpmTuiSchedulerOutput(BaseOutput):
    """prev_sample, pred_original_sample: (N, C, H, W)."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class DdpmTuiScheduler(SchedulerMixin, ConfigMixin):
    """ddpm, ddim and dpmpp over any chosen timesteps; log_alpha_bars: log ᾱ_t for each timestep, None for −inf."""

    order = 1
    init_noise_sigma = 1.0

    @register_to_config
    def __init__(
        self,
        log_alpha_bars: list[float | None],
        prediction: str,
        sampler: str = "dpmpp",
        steps: int = 20,
        spacings: dict[str, Spacing] | None = None,
        eta: float = 0.0,
        variance: str = "fixed_small",
        clip: bool = True,
    ) -> None:
        self.set_timesteps(steps)

    def set_timesteps(
        self,
        num_inference_steps: int,
        device: str | torch.device | None = None,
        sampler: str | None = None,
        spacing: Spacing | None = None,
        eta: float | None = None,
    ) -> None:
        """Choose the timesteps, the noisiest first; arguments that are None are as the configuration says."""
        c = self.config
        sampler = sampler or c.sampler
        self._table = coefficients(
            c.log_alpha_bars,
            c.prediction,
            sampler,
            num_inference_steps,
            spacing or (c.spacings or {}).get(sampler, "trailing"),
            c.eta if eta is None else eta,
            c.variance,
        )
        self.num_inference_steps = num_inference_steps
        self.timesteps = torch.tensor([step.t for step in self._table], dtype=torch.int64, device=device)
        self._before: Tensor | None = None

    @property
    def table(self) -> list[SamplingStep]:
        """Return the factors of each step."""
        return self._table

    def scale_model_input(self, sample: Tensor, timestep: int | None = None) -> Tensor:
        """Return x_t unchanged: the network takes it as it is."""
        return sample

    def step(
        self,
        model_output: Tensor,
        timestep: int,
        sample: Tensor,
        noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> DdpmTuiSchedulerOutput | tuple[Tensor]:
        """Return the next x from the network's output for this one; noise: for steps that add some, else drawn."""
        index = [step.t for step in self._table].index(int(timestep))
        step = self._table[index]
        x_0 = step.from_x * sample + step.from_output * model_output
        if self.config.clip:
            x_0 = x_0.clamp(-1, 1)
        x = step.keep * sample + step.picture * x_0
        if step.before and self._before is not None:
            x = x + step.before * self._before
        if step.noise:
            x = x + step.noise * (torch.randn_like(x) if noise is None else noise)
        self._before = x_0
        return DdpmTuiSchedulerOutput(prev_sample=x, pred_original_sample=x_0) if return_dict else (x,)

    def __len__(self) -> int:
        return len(self.config.log_alpha_bars)
