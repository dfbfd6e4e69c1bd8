"""Runs as a tree of branches, and the checkpoints of one run, read again only when its files' stamps changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ddpm_tui.tui.state.reading import stamp
from ddpm_tui.tui.state.snapshot import RunView

if TYPE_CHECKING:
    from engine.base.folders import RunFolder
    from engine.runs.checkpoints import CheckpointInfo


@dataclass(frozen=True)
class Twig:
    """A run in the tree: the branch lines before its name, and the run."""

    stem: str
    run: RunView


def tree(runs: Sequence[RunView]) -> list[Twig]:
    """Return runs in the order given, each followed by its branches; branches of a deleted run stand for themselves."""
    names = {run.name for run in runs}
    children: dict[str | None, list[RunView]] = {}
    for run in runs:
        parent = run.parent if run.parent in names and run.parent != run.name else None
        children.setdefault(parent, []).append(run)
    found: list[Twig] = []
    seen: set[str] = set()

    def grow(run: RunView, stem: str, below: str) -> None:
        if run.name in seen:
            return
        seen.add(run.name)
        found.append(Twig(stem, run))
        branches = children.get(run.name, [])
        for place, branch in enumerate(branches):
            last = place == len(branches) - 1
            grow(branch, below + ("└ " if last else "├ "), below + ("  " if last else "│ "))

    for run in children.get(None, []):
        grow(run, "", "")
    for run in runs:  # two that name each other as parent
        grow(run, "", "")
    return found


class CheckpointReader:
    """The checkpoints of the run that was asked for last, kept until something in its folder changes."""

    def __init__(self) -> None:
        self._stamp: tuple[object, ...] = ()
        self._found: tuple[CheckpointInfo, ...] = ()

    def read(self, run: "RunFolder") -> "tuple[CheckpointInfo, ...]":
        """Return checkpoints, newest first; a deleted run has none. Cheap if nothing changed."""
        from engine.runs.checkpoints import list_checkpoints

        now = (run.path, stamp(run.checkpoints, run.tags))
        if now != self._stamp:
            self._found = tuple(reversed(list_checkpoints(run)))
            self._stamp = now
        return self._found
