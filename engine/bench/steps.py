"""One optimizer step of each profile and precision, in turns with the device's ceilings.

A step is training's work for a batch: noise added, forward, backward, clipping, optimizer and average; the
pictures are ready. Shares of peak are of the highest ceiling of that precision, timed in the same rounds.
"""

from typing import Any

import torch

from engine.bench.options import Options, timed
from engine.bench.peaks import best, key, peak_cases, rates
from engine.bench.subject import Subject, make_subject, waiter
from engine.bench.timing import Timings, in_turns, ratio
from engine.config.profile import Profile
from engine.config.store import override_profile
from engine.device import plan as precision
from engine.jobs.context import Work


def measure_peaks(work: Work, facts: precision.DeviceFacts, options: Options) -> dict[str, Any]:
    """Return GFLOP/s of a large matrix product and convolution in each precision."""
    device = prepare(facts)
    peaks = peak_cases(device, precisions(facts))
    times = in_turns(
        {key(p): p.call for p in peaks}, 2 * options.rounds + 1, warm_up=2, wait=waiter(device),
        between=_saying(work),
    )  # fmt: skip
    return {"rows": rates(peaks, times)}


def measure_steps(
    work: Work, facts: precision.DeviceFacts, profiles: dict[str, Profile], options: Options
) -> dict[str, Any]:
    """Return images/s, GFLOP/s and share of peak of every profile in every precision that the device has.

    With variants, of one profile, all of them take turns with it and are held against it.
    """
    device = prepare(facts)
    wanted = precisions(facts)
    if options.quick:
        wanted = [precision.decide(facts, next(iter(profiles.values()))).precision]
    peaks = peak_cases(device, wanted)
    rows: list[dict[str, Any]] = []
    for name, profile in profiles.items():
        work.raise_if_stopping()
        compared = {name: profile}
        if name == timed(profiles):
            compared |= {f"{name} {v}": override_profile(profile, v.split()) for v in options.variants}
        subjects = [
            make_subject(label, one, facts, gflop=options.gflop, force=forced)
            for label, one in compared.items()
            for forced in wanted
        ]
        cases = {key(p): p.call for p in peaks}
        cases |= {_case(s): s.step for s in subjects}
        times = in_turns(cases, options.rounds, wait=waiter(device), between=_saying(work))
        ceilings = rates(peaks, times)
        chosen = precision.decide(facts, profile)
        plain = {s.plan.precision: s for s in subjects if s.name == name}
        for subject in subjects:
            row = step_row(subject, times[_case(subject)], ceilings)
            row["chosen"] = subject.plan.precision == chosen.precision
            if len(compared) > 1:
                base = plain[subject.plan.precision]
                faster = ratio(times[_case(base)], times[_case(subject)], cpu=True)
                row["over_plain_cpu"] = faster * subject.pictures / base.pictures
            rows.append(row)
    return {"rows": rows, "plans": {name: plan_of(facts, profile) for name, profile in profiles.items()}}


def _case(subject: Subject) -> str:
    return f"{subject.name} {subject.plan.precision}"


def step_row(subject: Subject, series: Timings, ceilings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one subject, given the ceilings of the same rounds."""
    done = subject.flop * subject.pictures / 1e9
    top = best(ceilings, subject.plan.precision)
    top_cpu = best(ceilings, subject.plan.precision, "gflop_per_cpu_s")
    return {
        "profile": subject.name,
        "precision": subject.plan.precision,
        "layout": subject.plan.layout,
        "parameters": subject.parameters,
        "gflop_per_picture": subject.flop / 1e9,
        "pictures": subject.pictures,
        "images_per_s": subject.pictures / series.seconds,
        "images_per_cpu_s": subject.pictures / series.cpu_seconds,
        "gflops": done / series.seconds,
        "share_of_peak": done / series.seconds / top if top else None,
        "share_of_peak_cpu": done / series.cpu_seconds / top_cpu if top_cpu else None,
        **series.to_json(),
    }


def plan_of(facts: precision.DeviceFacts, profile: Profile) -> dict[str, Any]:
    """Return the decisions for a profile on this device, and their reasons."""
    plan = precision.decide(facts, profile)
    return {"summary": plan.summary(), "reasons": list(plan.reasons), "plan": plan.to_json()}


def precisions(facts: precision.DeviceFacts) -> list[str]:
    """Return the precisions worth measuring: fp32, and the half precision that the device is good at."""
    found = ["fp32"]
    if facts.is_cuda:
        capability = facts.capability or (0, 0)
        if capability >= (8, 0):
            found.append("bf16")
        if capability >= (7, 0) and not any(name in facts.name for name in precision.NO_FP16):
            found.append("fp16")
    elif {"avx512_bf16", "amx_bf16"} & facts.cpu_flags:
        found.append("bf16")
    return found


def prepare(facts: precision.DeviceFacts) -> torch.device:
    """Set the process up as training would."""
    return precision.apply(precision.decide(facts, Profile()))


def _saying(work: Work) -> Any:
    def between(name: str) -> None:
        work.raise_if_stopping()
        work.report("starting", text=f"bench: {name}")

    return between
