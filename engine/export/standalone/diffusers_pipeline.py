"""Draw pictures with diffusers alone:

    pipeline = DiffusionPipeline.from_pretrained("DIR", trust_remote_code=True)
    pipeline(n=16, seed=0).images[0].save("face.png")

The same seed draws the same picture as the program that trained the network, up to rounding (check.json says how much).
"""

from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from torch import Tensor

from engine.diffusion.randomness import generator_for
from engine.diffusion.spacing import Spacing

BATCH = 64


class DdpmTuiPipeline(DiffusionPipeline):
    """A UNet and a scheduler; `pipeline(n, seed)` draws."""

    model_cpu_offload_seq = "unet"

    def __init__(self, unet: Any, scheduler: Any) -> None:
        super().__init__()
        self.register_modules(unet=unet, scheduler=scheduler)

    @torch.no_grad()
    def __call__(
        self,
        n: int = 1,
        seed: int = 0,
        num_inference_steps: int | None = None,
        sampler: str | None = None,
        spacing: Spacing | None = None,
        eta: float | None = None,
        batch_size: int = BATCH,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> Any:
        """Draw n pictures; picture i depends on the seed and on i alone. Arguments that are None are as the
        configuration says.

        sampler: ddpm, ddim or dpmpp · spacing: trailing, linspace, leading or logsnr · output_type: "pil", "np" for
        uint8 (n, H, W, 3), "pt" for float (n, 3, H, W) in [−1, 1].
        """
        steps = num_inference_steps or self.scheduler.config.steps
        with self.progress_bar(total=-(-n // batch_size) * steps) as bar:
            parts = []
            for start in range(0, n, batch_size):
                self.scheduler.set_timesteps(steps, self.device, sampler, spacing, eta)
                indices = range(start, min(start + batch_size, n))
                parts.append(self._denoise(seed, indices, bar))
        x = torch.cat(parts)
        images: Any = x
        if output_type != "pt":
            scaled = torch.nan_to_num(x.float(), nan=-1.0).clamp(-1, 1).add(1).mul(127.5).round()
            images = scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        if output_type == "pil":
            from PIL import Image

            images = [Image.fromarray(picture) for picture in images]
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _denoise(self, seed: int, indices: range, bar: Any) -> Tensor:
        """Return pictures (len(indices), 3, size, size), about in [−1, 1]."""
        size = self.unet.config.unet["size"]
        shape = (len(indices), 3, size, size)
        fresh = [generator_for(seed, "sampling.steps", index) for index in indices]
        x = self._noise([generator_for(seed, "sampling.initial", index) for index in indices], shape)
        for step in self.scheduler.table:
            output = self.unet(x.to(self.unet.dtype), step.t).sample.float()
            noise = self._noise(fresh, shape) if step.noise else None
            x = self.scheduler.step(output, step.t, x, noise).prev_sample
            bar.update()
        return x

    def _noise(self, generators: list[torch.Generator], shape: tuple[int, ...]) -> Tensor:
        drawn = torch.stack([torch.randn(shape[1:], generator=generator) for generator in generators])
        return drawn.to(self.device)
