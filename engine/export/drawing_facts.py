"""The facts for an exported sampler: the noise schedule, and the default way to draw pictures."""

import math
from typing import Any

from engine.config.profile import Profile
from engine.config.sampling_settings import Settings
from engine.diffusion.samplers import SAMPLERS
from engine.diffusion.schedule import Schedule


def drawing_facts(profile: Profile, schedule: Schedule, settings: Settings) -> dict[str, Any]:
    """Return size, prediction, settings, spacings (by sampler) and log_alpha_bars (None for −inf, which JSON has
    not).

    The spacing is among the settings only if it is not the sampler's default.
    """
    names = ("sampler", "steps", "eta", "variance", "clip")
    found = {name: getattr(settings, name) for name in names}
    if settings.spacing != profile.spacing_for(settings.sampler):
        found["spacing"] = settings.spacing
    return {
        "size": profile.data.size,
        "prediction": profile.objective.prediction,
        "settings": found,
        "spacings": {name: profile.spacing_for(name) for name in SAMPLERS},
        "log_alpha_bars": [value if math.isfinite(value) else None for value in schedule.log_alpha_bars],
    }
