"""The kinds of job: one table, read by the worker, by the service and by whoever speaks to people.

To add one, write a function from `engine.jobs.context.Work` to `engine.jobs.files.Result`, and add its line here. The
function is named as "module:function" and imported by the worker alone: the service, which reads this table too, never
imports torch.
"""

from dataclasses import dataclass
from typing import Any

from engine.base.home import short_reference
from engine.base.text import plural

_SMALLER = "use a smaller model or size, or --set training.activation_checkpointing=true"


@dataclass(frozen=True)
class JobKind:
    """One line.

    handler: what does the job, as "module:function" · added: the service takes it by the request `add` (a training has
    a request of its own) · needs_torch: the worker looks first if torch can be imported · less_memory: what takes less
    memory, when there was not enough.
    """

    handler: str
    added: bool = False
    needs_torch: bool = True
    less_memory: str = "end other programs and run it again"


KINDS: dict[str, JobKind] = {
    "train": JobKind("engine.training.job:run_training", less_memory=_SMALLER),
    "sample": JobKind(
        "engine.sampling.job:run_sampling",
        added=True,
        less_memory="fewer pictures at once with --batch change no picture",
    ),
    "edit": JobKind(
        "engine.sampling.edit_job:run_editing",
        less_memory="draw fewer pictures with -n",
    ),
    "evaluate": JobKind(
        "engine.evaluation.job:run_evaluation",
        added=True,
        less_memory="fewer pictures at once with --batch change no score",
    ),
    "pack": JobKind("engine.data.job:run_packing", added=True, needs_torch=False),
    "estimate": JobKind("engine.training.estimate:run_estimate", added=True, less_memory=_SMALLER),
    "fetch": JobKind("engine.data.job:run_fetching", needs_torch=False),
    "export": JobKind("engine.export.job:run_export"),
    "bench": JobKind("engine.bench.job:run_bench"),
}

ADDED = tuple(name for name, kind in KINDS.items() if kind.added)
"""What the request `add` takes."""


def title(kind: str, run: str | None, args: dict[str, Any]) -> str:
    """What a job does, in a few words: 'train celeba32-1 to epoch 50'."""
    if kind == "train":
        return f"train {run} to epoch {args.get('to_epoch')}"
    target = args.get("checkpoint") or run or args.get("dataset") or ""
    n = args.get("n")
    count = f", {plural(n, 'picture')}" if kind == "sample" and isinstance(n, int) and n else ""
    return f"{kind} {short_reference(target)}{count}".strip()
