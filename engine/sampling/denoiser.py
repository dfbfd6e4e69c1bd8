"""What a sampler asks at each step: a network that is told labels, guided by a worse one or by itself without them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from engine.config.asked import asked_values
from engine.config.sampling_settings import Settings
from engine.config.sections import LabelsSection
from engine.device.plan import DevicePlan, autocast
from engine.diffusion.guidance import guided
from engine.diffusion.reverse import Denoiser
from engine.diffusion.schedule import Schedule

Saw = Callable[[Tensor], object]
"""Hears of each answer (N, C, H, W) of a network, in the order of the pictures."""


def denoiser_for(
    model: nn.Module,
    guide: nn.Module | None,
    schedule: Schedule,
    plan: DevicePlan,
    settings: Settings,
    y: Tensor | None,
    saw: Saw = lambda output: None,
) -> Denoiser:
    """The denoiser that `settings` describe for pictures of labels y, which is as networks take it, or None.

    A guide that knows labels is told the same ones. Without a guide the same network, told nothing, guides: both
    answers then come of one call with twice the pictures. Raises ValueError for guidance with neither.
    """

    def answer(network: nn.Module, labels: Tensor | None, x_t: Tensor, t: Tensor) -> Tensor:
        told = () if labels is None or not knows_labels(network) else (labels,)
        with autocast(plan):
            output: Tensor = network(x_t, t, *told)
        saw(output)
        return output.float()

    def main(x_t: Tensor, t: Tensor) -> Tensor:
        return answer(model, y, x_t, t)

    def both(x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        if guide is not None:
            return main(x_t, t), answer(guide, y, x_t, t)
        assert y is not None
        with autocast(plan):
            output: Tensor = model(
                torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, unknown_like(model, y)])
            )
        told, untold = output.float().chunk(2)
        saw(told)
        saw(untold)
        return told, untold

    if not settings.guided:
        return main
    if guide is None and y is None:
        raise ValueError(f"guidance {settings.guidance:g} needs a guide or labels")
    return guided(main, both, settings.guidance, schedule.log_alpha_bars, settings.guidance_interval)


def knows_labels(network: nn.Module) -> bool:
    return getattr(network, "labels", None) is not None


def unknown_like(network: nn.Module, y: Tensor) -> Tensor:
    """y of as many pictures of which nothing is known."""
    labels = network.labels
    found: Tensor = labels.unknown(len(y), y.device).to(y.dtype)  # type: ignore[operator, union-attr]
    return found


def asked_input(
    asked: Sequence[str], section: LabelsSection, device: torch.device | str = "cpu"
) -> Tensor | None:
    """y of one picture of each of `asked` ("smiling=1,hat=-1", "class=cat"), as networks take it: (G, K) float32, or
    (G,) int64. None for a profile without labels, or where nothing is asked for. Raises UsageError."""
    if section.kind == "none" or not asked:
        return None
    names = section.names
    if section.kind == "class":
        places = [[names.index(name) for name in asked_values(text, "class", names)] for text in asked]
        return torch.tensor([found[0] if found else len(names) for found in places], device=device)
    y = torch.zeros(len(asked), len(names))
    for row, text in zip(y, asked, strict=True):
        for name, value in asked_values(text, "attributes", names).items():
            row[names.index(name)] = value
    return y.to(device)
