"""Formatting of jobs as lines. Takes the engine's dictionaries and returns text; requests nothing itself."""

import time
from dataclasses import fields
from typing import Any

from ddpm_tui.cli.common import Line
from ddpm_tui.silence import silence
from ddpm_tui.words import duration, plural
from engine.base.text import visible
from engine.jobs.files import Progress
from engine.service.job_states import STATES
from engine.service.states import job_number


def listing(answer: dict[str, Any], width: int) -> list[Line]:
    """Return the table of `queue list`, with one job per line, truncated to `width` columns."""
    lines: list[Line] = [[f"! {problem}"] for problem in answer["problems"]]
    if answer["on_hold"]:
        lines.append(["The queue is on hold: no new jobs start (`queue resume` releases it)."])
    # Running jobs come before waiting ones, even if those have a higher priority.
    jobs = sorted(answer["jobs"], key=_rank)
    if not jobs:
        return [*lines, ["The queue is empty. `ddpm-tui queue train PROFILE` adds a training."]]
    if answer["hidden"]:
        lines.append([f"({answer['hidden']} older finished jobs; --all shows them)"])
    number = max(2, *(len(job_number(job["id"])) for job in jobs))
    name = min(44, max(len(visible(_name(job))) for job in jobs))
    for job in jobs:
        state = job["state"] + ("…" if job.get("intent") else "")
        facts = STATES.get(job["state"])
        head = f"{job_number(job['id']):>{number}}  "
        rest = f"  {_cut(_name(job), name):<{name}}  "
        tail = _cut(remark(job), max(10, width - len(head) - 11 - len(rest)))
        lines.append([head, (f"{state:<11}", facts.colour if facts else ""), f"{rest}{tail}".rstrip()])
    return lines


def _rank(job: dict[str, Any]) -> int:
    """Return the position of a job's state in a list; states of a newer engine are listed with waiting jobs."""
    facts = STATES.get(job["state"])
    return facts.rank if facts else max(f.rank for f in STATES.values())


def _name(job: dict[str, Any]) -> str:
    priority = job.get("priority", "normal")
    mark = {"high": "↑ ", "now": "⇈ "}.get(priority, "") if job["state"] == "queued" else ""
    return mark + str(job["title"])


def remark(job: dict[str, Any]) -> str:
    """Return what a list shows beside a job's state: its progress, why it waits, or why it ended."""
    state = job["state"]
    if state in ("running", "starting"):
        words = progress(job.get("progress"))
        if job.get("intent"):
            words = f"{INTENTS.get(job['intent'], job['intent'])}; {words}"
        return f"{words} on {job['slot']}" if words and job.get("slot") else words or job.get("reason", "")
    if state == "queued":
        return job.get("waits") or ("starts next" if not job.get("reason") else job["reason"])
    parts = [job.get("reason") or "", job.get("hint") or "" if state in ("held", "failed", "paused") else ""]
    return " — ".join(part for part in parts if part)


INTENTS = {
    "pause": "pausing",
    "cancel": "cancelling",
    "kill": "killing",
    "make_room": "making room",
    "stop": "stopping",
}


def progress(wire: dict[str, Any] | None) -> str:
    """Return one line about a living worker: "epoch 12.40 of 50, 131 pictures/s, 1 h 12 min left". If the worker has
    gone silent, the line says since when instead of its speed.
    """
    now = told(wire)
    if now is None:
        return ""
    parts = [now.phase]
    if now.epoch is not None and now.to_epoch:
        parts.append(f"epoch {now.epoch:.2f} of {now.to_epoch:g}")
    elif now.total:
        parts.append(f"{now.done:,} of {now.total:,} {now.unit}".rstrip())
    if silent := silence(now, time.time()):
        parts.append(silent)
    else:
        if now.images_per_s:
            parts.append(f"{now.images_per_s:.3g} pictures/s")
        if now.eta_s:
            parts.append(f"{duration(now.eta_s)} left")
    return ", ".join(part for part in parts if part)


def told(wire: dict[str, Any] | None) -> Progress | None:
    """Return the worker's last progress as the engine passes it on; fields of a newer engine are ignored."""
    return Progress(**{key: value for key, value in wire.items() if key in _FIELDS}) if wire else None


_FIELDS = {field.name for field in fields(Progress)}


def _state(job: dict[str, Any]) -> str:
    state, reason = job["state"], job.get("reason") or ""
    # Some reasons begin with the name of the state.
    said = [reason] if reason.startswith(state) else [state, reason]
    return " — ".join(part for part in (*said, job.get("hint")) if part)


def details(job: dict[str, Any]) -> list[str]:
    """Return the lines of `queue show`."""
    facts = [
        ("job", f"{job_number(job['id'])}  {job['title']}"),
        ("state", _state(job)),
        ("waits", job.get("waits")),
        ("worker", progress(job.get("progress"))),
        ("device", job["slot"] or job["device"]),
        ("priority", job["priority"]),
        ("follows", ", ".join(job_number(a) for a in job["after"])),
        (
            "attempts",
            str(job["attempt"])
            + (f", {plural(job['crashes'], 'crash', 'crashes')} in a row" if job["crashes"] else ""),
        ),
        ("queued", moment(job.get("created"))),
        ("started", moment(job.get("started"))),
        ("ended", moment(job.get("ended"))),
        ("args", ", ".join(f"{key}={value}" for key, value in job["args"].items() if value is not None)),
        ("folder", job["folder"]),
    ]
    lines = [f"{name:>9}  {value}" for name, value in facts if value]
    lines += ["", "history"]
    for event in job["history"]:
        before = f"{event['before']} → " if event["before"] else ""
        words = f"  ({event['reason']})" if event["reason"] and event["reason"] != event["after"] else ""
        lines.append(f"  {moment(event['time'])}  {before}{event['after']}{words}")
    if job["log_tail"]:
        lines += ["", f"log ({job['log']})", *(f"  {line}" for line in job["log_tail"])]
    return lines


def moment(seconds: float | None) -> str:
    return "" if not seconds else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _cut(text: str, width: int) -> str:
    text = visible(" ".join(text.split()))
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
