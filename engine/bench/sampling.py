"""The speed of drawing pictures: samplers and step counts, with a network of the profile's shape.

The weights are not trained: they decide the pictures, not the time.
"""

from functools import partial
from typing import Any

from engine.bench.options import Options
from engine.bench.steps import prepare
from engine.bench.subject import fill_zeros, waiter
from engine.bench.timing import in_turns
from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.device import plan as precision
from engine.device.plan import DevicePlan
from engine.diffusion.samplers import SAMPLERS
from engine.diffusion.schedule import Schedule
from engine.jobs.context import Work
from engine.models.build import make_schedule, unet_config
from engine.models.unet import UNet
from engine.sampling.drawing import draw

STEPS = (10, 20, 50)


def measure_sampling(
    work: Work, facts: precision.DeviceFacts, name: str, profile: Profile, options: Options
) -> dict[str, Any]:
    """Return pictures a second of each sampler at each number of steps, and of the ancestral one with all of them."""
    device = prepare(facts)
    plan = precision.decide(facts, profile)
    model = UNet(unet_config(profile)).to(device)
    fill_zeros(model)
    model.eval().requires_grad_(False)
    schedule = make_schedule(profile, device)
    count = (64 if facts.is_cuda else 8) if options.quick else (256 if facts.is_cuda else 32)
    steps = [s for s in (STEPS[:1] if options.quick else STEPS) if s <= profile.diffusion.steps]
    chosen = [(sampler, s) for sampler in SAMPLERS for s in steps]
    if not options.quick:
        chosen.append(("ddpm", profile.diffusion.steps))
    cases = {
        f"{sampler} {s}": partial(
            _draw, model, schedule, profile, plan,
            Settings.from_profile(profile, sampler=sampler, steps=s), count,
        )
        for sampler, s in chosen
    }  # fmt: skip

    def between(case: str) -> None:
        work.raise_if_stopping()
        work.report("sampling", text=f"bench: sampling, {case} steps")

    times = in_turns(
        cases, 1 if options.quick else 3, warm_up=0 if facts.device == "cpu" else 1, wait=waiter(device),
        between=between,
    )  # fmt: skip
    rows = [
        {
            "sampler": sampler,
            "steps": s,
            "pictures_per_s": count / times[f"{sampler} {s}"].seconds,
            "pictures_per_cpu_s": count / times[f"{sampler} {s}"].cpu_seconds,
            "calls_per_s": count * s / times[f"{sampler} {s}"].seconds,
            **times[f"{sampler} {s}"].to_json(),
        }
        for sampler, s in chosen
    ]
    return {"profile": name, "batch": count, "precision": plan.precision, "rows": rows}


def _draw(
    model: UNet, schedule: Schedule, profile: Profile, plan: DevicePlan, settings: Settings, count: int
) -> None:
    for _ in draw(model, schedule, profile, plan, settings, count, count):
        pass
