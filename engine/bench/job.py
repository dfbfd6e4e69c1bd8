"""A bench job: the parts that are asked for, one after the other, in a scratch folder that is removed again."""

import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch

from engine.base.text import plural
from engine.bench.epoch import measure_epoch
from engine.bench.memory import measure_memory
from engine.bench.options import TIMED, Options, timed
from engine.bench.packing import measure_packing
from engine.bench.peers import measure_peers
from engine.bench.quality import measure_quality
from engine.bench.sampling import measure_sampling
from engine.bench.scale import measure_scale
from engine.bench.startup import measure_startup
from engine.bench.steps import measure_peaks, measure_steps
from engine.config.profile import Profile
from engine.config.store import list_profiles, load_profile
from engine.device import plan as precision
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result


def run_bench(work: Work) -> Result:
    """Do a bench job. args: those of Options. Raises UserError for a missing profile."""
    options = Options.from_json(work.spec.args)
    work.report("starting", text="bench")
    profiles = _profiles(work, options)
    facts = precision.gather(work.device())
    profile = profiles[name := timed(profiles)]
    scratch = Path(tempfile.mkdtemp(prefix="ddpm-tui-bench-"))
    data, device = profile.data, work.device()
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "peaks": lambda: measure_peaks(work, facts, options),
        "step": lambda: measure_steps(work, facts, profiles, options),
        "memory": lambda: measure_memory(work, facts, profiles, options),
        "epoch": lambda: measure_epoch(work, scratch, name, profile, device, options),
        "packing": lambda: measure_packing(work, scratch, data.size, "center178", options),
        "sampling": lambda: measure_sampling(work, facts, name, profile, options),
        "startup": lambda: measure_startup(work, scratch, profile, device, options),
        "scale": lambda: measure_scale(work, scratch, options),
        "peers": lambda: measure_peers(work, facts, name, profile, options),
        "quality": lambda: measure_quality(work, facts, name, profile, options),
    }
    found: dict[str, Any] = {"format": 1, "machine": _machine(facts), "options": options.to_json()}
    try:
        for part in options.parts:
            work.raise_if_stopping()
            work.say(f"bench: {part}")
            found[part] = measures[part]()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Result("done", EXIT_DONE, f"{plural(len(options.parts), 'part')} measured", extra={"bench": found})


def _profiles(work: Work, options: Options) -> dict[str, Profile]:
    """Return the named profiles, else every shipped one (two of them if quick), all with device `auto`."""
    shipped = [p.name for p in list_profiles(work.home) if p.origin == "shipped"]
    names = options.profiles or (("demo", TIMED) if options.quick else tuple(shipped))
    found = {}
    for name in names:
        profile = load_profile(work.home, name)
        training = profile.training.model_copy(update={"device": "auto"})
        found[name] = profile.model_copy(update={"training": training})
    return found


def _machine(facts: precision.DeviceFacts) -> dict[str, Any]:
    load = psutil.getloadavg()
    return {
        "device": facts.name,
        "cores": precision.available_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load_before": round(load[0], 2),
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "facts": {k: sorted(v) if isinstance(v, frozenset | set) else v for k, v in asdict(facts).items()},
    }
