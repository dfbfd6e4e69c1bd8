"""What the checkpoints screen says about runs and checkpoints: rows and lines, of plain values. Knows no screen."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ddpm_tui.state.lineage import tree
from ddpm_tui.state.snapshot import RunView, Snapshot
from ddpm_tui.widgets.rows import Line, Piece
from ddpm_tui.widgets.table import Column, Row
from ddpm_tui.words import learning_rate, number, size

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo

RUN_COLUMNS = (Column("run", 14, grow=1), Column("", 3, right=True, drop=1))
COLUMNS = (
    Column("", 1),
    Column("step", 7, right=True),
    Column("epoch", 5, right=True),
    Column("eps err", 7, right=True),
    Column("held out", 8, right=True, drop=3),
    Column("train", 7, right=True, drop=4),
    Column("size", 7, right=True, drop=2),
    Column("", 8, grow=1),
)


def run_rows(snapshot: Snapshot) -> list[Row]:
    """The tree of runs, with how many checkpoints each has; those at work are green, unreadable ones red."""
    rows = []
    for twig in tree(snapshot.runs):
        run = twig.run
        busy = snapshot.job_of(run.name) is not None
        tone = "bad" if run.problem else "good" if busy else ""
        cells: tuple[Piece, ...] = ((f"{twig.stem}{run.name}", tone), (str(run.checkpoints), "dim"))
        rows.append(Row(run.name, cells, f"{run.name} {run.profile_name}"))
    return rows


def checkpoint_row(info: "CheckpointInfo", marked: bool) -> Row:
    """One checkpoint, or what is wrong with it."""
    m = info.manifest
    mark: Piece = ("●", "accent") if marked else ""
    if m is None:
        bare: tuple[Piece, ...] = (
            mark,
            str(info.step),
            "",
            "",
            "",
            "",
            "",
            (f"damaged: {fault(info)}", "bad"),
        )
        return Row(str(info.step), bare, f"{info.step} damaged")
    words = [*info.tags, *(["chunk end"] if m.chunk_end else [])]
    said = ", ".join([*(["best"] if info.best else []), *words])
    tone = "good" if info.best else "accent" if info.tags else "dim"
    cells = (
        mark,
        f"{info.step:,}",
        f"{m.epochs_seen:.2f}".rstrip("0").rstrip("."),
        number(m.eps_error),
        (number(m.val_loss), "dim"),
        (number(m.train_loss), "dim"),
        (size(info.size), "dim"),
        (said, tone),
    )
    return Row(str(info.step), cells, f"{info.step} e{m.epochs_seen:.4g} {said}")


def about_lines(run: RunView | None, info: "CheckpointInfo | None", marks: Sequence[str]) -> list[Line]:
    """What there is to say about the run and the checkpoint under the cursor, and which are marked."""
    said: list[Line] = []
    if info is not None and info.problem:
        said.append([("damaged: " + fault(info), "bad")])
    if run is not None:
        came = f" from {run.parent}@{run.parent_step}" if run.parent else ""
        profile = f"profile {run.profile_name}" if run.profile_name else "its own profile"
        what = f"{run.name}{came}, {profile}"
        said.append([(what, "bold"), (f"  {'; '.join(run.changes)}", "accent")])
    if marks:
        said.append([("marked ", "dim"), (", ".join(marks), "accent")])
    if info is not None and info.manifest is not None:
        m = info.manifest
        rate = f"lr {learning_rate(m.lr)}" if m.lr else ""
        facts = [f"{m.images:,} pictures seen", rate, m.created.replace("T", " ")[:16]]
        said.append([("   ".join(f for f in facts if f), "dim")])
    return said


def fault(info: "CheckpointInfo") -> str:
    """What is wrong with it, without the path that the list tells already."""
    return (info.problem or "").replace(f"{info.folder.path}{os.sep}", "")
