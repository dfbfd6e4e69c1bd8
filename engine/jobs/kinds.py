"""The kinds of job: one table, for the worker, the service and the user interface.

To add one, write a function from `engine.jobs.context.Work` to `engine.jobs.files.Result`, and add its line here. The
function is given as "module:function" and imported only by the worker, because the service, which also reads this
table, never imports torch.
"""

from dataclasses import dataclass
from typing import Any

from engine.base.home import short_reference
from engine.base.text import plural

_SMALLER = "use a smaller model or size, or --set training.activation_checkpointing=true"


@dataclass(frozen=True)
class JobKind:
    """One line of the table.

    handler: the function that does the job, as "module:function" · added: the service accepts it in the request `add`
    (training has its own request) · needs_torch: the worker first checks that torch can be imported · less_memory:
    advice for running out of memory.
    """

    handler: str
    added: bool = False
    needs_torch: bool = True
    less_memory: str = "close other programs and run it again"


KINDS: dict[str, JobKind] = {
    "train": JobKind("engine.training.job:run_training", less_memory=_SMALLER),
    "sample": JobKind(
        "engine.sampling.job:run_sampling",
        added=True,
        less_memory="use a smaller --batch, which does not change the pictures",
    ),
    "edit": JobKind(
        "engine.sampling.edit_job:run_editing",
        less_memory="draw fewer pictures with -n",
    ),
    "evaluate": JobKind(
        "engine.evaluation.job:run_evaluation",
        added=True,
        less_memory="use a smaller --batch, which does not change the scores",
    ),
    "pack": JobKind("engine.data.job:run_packing", added=True, needs_torch=False),
    "estimate": JobKind("engine.training.estimate:run_estimate", added=True, less_memory=_SMALLER),
    "fetch": JobKind("engine.data.job:run_fetching", needs_torch=False),
    "export": JobKind("engine.export.job:run_export"),
    "bench": JobKind("engine.bench.job:run_bench"),
}

ADDED = tuple(name for name, kind in KINDS.items() if kind.added)
"""The kinds that the request `add` accepts."""


def title(kind: str, run: str | None, args: dict[str, Any]) -> str:
    """Return a short title: 'train celeba32-1 to epoch 50'."""
    if kind == "train":
        return f"train {run} to epoch {args.get('to_epoch')}"
    target = args.get("checkpoint") or run or args.get("dataset") or ""
    n = args.get("n")
    count = f", {plural(n, 'picture')}" if kind == "sample" and isinstance(n, int) and n else ""
    return f"{kind} {short_reference(target)}{count}".strip()
