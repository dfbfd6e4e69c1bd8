"""The screen's actions as equivalent commands, for people who write scripts. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.base.text import shell_line
from engine.service.states import Job, job_number

PROGRAM = "ddpm-tui"
DRAWN = ("sample", "evaluate")
"""Kinds of jobs that are about a checkpoint, with a command each."""

_OPTIONS = {
    "n": "-n",
    "steps": "--steps",
    "sampler": "--sampler",
    "spacing": "--spacing",
    "eta": "--eta",
    "variance": "--variance",
    "weights": "--weights",
    "seed": "--seed",
    "batch": "--batch",
    "trajectory": "--trajectory-of",
    "grid": "--grid",
    "scale": "--scale",
    "trajectory_file": "--trajectory",
    "npy": "--npy",
    "out": "--out",
    "extractor": "--extractor",
    "reference": "--reference",
    "label": "--label",
    "guidance": "--guidance",
}
"""The options of `queue sample` and `queue evaluate`, by the names of a job's args."""


def line(*words: object) -> str:
    """Return a command with its words quoted for a shell."""
    return shell_line(PROGRAM, *words)


def request(do: str, args: Mapping[str, Any]) -> str:
    """Return the command of a request to the engine; "" if there is none."""
    ids = [job_number(str(job_id)) for job_id in args.get("ids") or ()]
    if do in ("pause", "resume", "cancel", "retry", "hold"):
        return line("queue", do, *ids)
    if do == "move":
        where = str(args.get("where"))
        place = [f"--{where}"] if where in ("first", "last") else ["--before", job_number(where)]
        return line("queue", "move", *ids, *place)
    if do == "hold_queue":
        return line("queue", "hold" if args.get("on") else "resume")
    if do == "train":
        words = ["queue", "train", str(args.get("target"))]
        for name, option in (("run", "--run"), ("chunks", "--chunks"), ("to_epoch", "--to-epoch")):
            if args.get(name):
                words += [option, str(args[name])]
        words += [word for change in args.get("set") or () for word in ("--set", str(change))]
        return line(*words, *(["--new"] if args.get("new") else []), *_priority(args))
    if do == "add" and args.get("kind") in DRAWN:
        return line(*_added(str(args.get("kind")), args.get("args") or {}), *_priority(args))
    return ""


def job_command(job: Job) -> str:
    """Return the command that would queue the same job again; "" if no command of the queue does."""
    if job.kind not in ("train", *DRAWN):
        return ""
    if job.kind == "train":
        words = ["queue", "train", str(job.run), "--to-epoch", str(job.args.get("to_epoch"))]
    else:
        words = _added(job.kind, {"checkpoint": job.run, **job.args})
    return line(*words)


def _added(kind: str, args: Mapping[str, Any]) -> list[str]:
    words = ["queue", kind, str(args.get("checkpoint"))]
    for name, value in args.items():
        if name in _OPTIONS and value is not None and (name, value) != ("scale", 1):
            words += [_OPTIONS[name], f"{value:g}" if isinstance(value, float) else str(value)]
        elif name == "clip" and value is not None:
            words.append("--clip" if value else "--no-clip")
        elif name == "measures" and value:
            words += ["--measures", ",".join(value)]
    return words


def _priority(args: Mapping[str, Any]) -> Sequence[str]:
    return ["--priority", str(args["priority"])] if args.get("priority") else []
