"""The checkpoints screen's texts about runs and checkpoints: rows and lines, of plain values. Knows no
screen.
"""

import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from ddpm_tui.tui.state.lineage import Twig, tree
from ddpm_tui.tui.state.snapshot import RunView, Snapshot
from ddpm_tui.tui.state.studies import gather, variants, within
from ddpm_tui.tui.widgets.rows import Line, Piece, beside, fact_lines
from ddpm_tui.tui.widgets.sheet import paragraph
from ddpm_tui.tui.widgets.table import Column, Row
from ddpm_tui.words import learning_rate, number, plural, size

if TYPE_CHECKING:
    from engine.runs.checkpoints import CheckpointInfo

RUN_COLUMNS = (Column("run", 14, grow=1), Column("", 4, right=True, drop=1))
COLUMNS = (
    Column("", 1),
    Column("step", 7, right=True),
    Column("epoch", 5, right=True),
    Column("eps err", 7, right=True, drop=1),
    Column("held out", 8, right=True, drop=3),
    Column("train", 7, right=True, drop=4),
    # All checkpoints of a run are about as large, and the lines below give the size of this one.
    Column("size", 7, right=True, drop=5),
    Column("", 14, grow=1),
)


SHOWN = 8
"""Facts said beside a list; the details have all."""


def run_rows(snapshot: Snapshot, opened: Collection[str], everything: bool) -> list[Row]:
    """Return the tree of runs with their numbers of checkpoints; those at work are green, unreadable ones
    red.

    Runs of a study are folded below its name unless its key is among `opened`, or with `everything`.
    """
    runs = {run.name: run for run in snapshot.runs}
    groups = gather(list(runs), {run.name: run.parent for run in snapshot.runs})
    trees: dict[str, list[Twig]] = {}
    for twig in tree([runs[group.runs[0]] for group in groups if not group.study]):
        if not twig.stem:
            trees[twig.run.name] = last = []
        last.append(twig)
    rows: list[Row] = []
    for group in groups:
        twigs = trees.get(group.runs[0], [])
        if group.study:
            unfolded = everything or group.key in opened
            members = [runs[name] for name in group.runs]
            tone = _tone(members, snapshot)
            title = (f"{'▾' if unfolded else '▸'} {group.study}", f"bold {tone}")
            rows.append(Row(group.key, (title, (f"×{len(members)}", "dim")), " ".join(group.runs)))
            twigs = tree(members) if unfolded else []
        for twig in twigs:
            run = twig.run
            name = f"{' ' * bool(group.study)}{twig.stem}{within(group.study, run.name)}"
            cells: tuple[Piece, ...] = ((name, _tone([run], snapshot)), (str(run.checkpoints), "dim"))
            rows.append(Row(run.name, cells, f"{run.name} {run.profile_name}"))
    return rows


def _tone(runs: Sequence[RunView], snapshot: Snapshot) -> str:
    if any(run.problem for run in runs):
        return "bad"
    return "good" if any(snapshot.job_of(run.name) for run in runs) else ""


def study_lines(study: str, runs: Sequence[RunView], key: str) -> list[Line]:
    """Describe a folded study: how far its variants are. key: the one that unfolds it."""
    lines: list[Line] = [[(study, "bold"), f", a study of {plural(len(runs), 'run')}"], [""]]
    found = variants(run.name for run in runs)
    by_name = {run.name: run for run in runs}
    wide = max(map(len, found))
    for variant, names in found.items():
        epochs = sorted({by_name[name].epoch for name in names})
        far = f"epoch {epochs[0]}" + (f" to {epochs[-1]}" if len(epochs) > 1 else "")
        lines.append([(f"  {variant:<{wide}}", ""), (f"  {plural(len(names), 'run')}, {far}", "dim")])
    name, small = study.removesuffix("-small"), " --small" if study.endswith("-small") else ""
    return [
        *lines,
        [""],
        [(key, "accent bold"), " shows its runs"],
        [(f"ddpm-tui study report {name}{small}", "accent"), " sums it up"],
    ]


def no_checkpoint_lines(run: RunView, undoes: str, key: Callable[[str], str]) -> list[Line]:
    """Describe a run without checkpoints: its name, and how it will get some.

    undoes: the effect that undoing would have now · key: of an action.
    """
    lines: list[Line] = [
        [(run.name, "bold"), " has no checkpoint."],
        [(key("checkpoints.train"), "accent bold"), " queues training of this run"],
    ]
    if undoes.startswith(f"{run.name}@") and undoes.endswith(" is back"):
        lines.append([(key("app.undo"), "accent bold"), f" brings back {undoes.removesuffix(' is back')}"])
    return lines


def checkpoint_row(info: "CheckpointInfo", marked: bool) -> Row:
    """Return the row of one checkpoint, or its fault."""
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
    said = " ".join([*(["★ best"] * info.best), *info.tags, *(["chunk"] * m.chunk_end)])
    tone = "good" if info.best else "accent" if info.tags else "dim"
    cells = (
        mark,
        f"{info.step:,}",
        f"{m.epochs_seen:.2f}".rstrip("0").rstrip(".") if m.epochs_seen < 100 else f"{m.epochs_seen:.0f}",
        number(m.eps_error),
        (number(m.val_loss), "dim"),
        (number(m.train_loss), "dim"),
        (size(info.size), "dim"),
        (said, tone),
    )
    return Row(str(info.step), cells, f"{info.step} e{m.epochs_seen:.4g} {said}")


def about_lines(
    run: RunView | None, info: "CheckpointInfo | None", marks: Sequence[str], width: int
) -> list[Line]:
    """Describe the run and the checkpoint under the cursor, and list the marked ones."""
    said: list[Line] = []
    if info is not None and info.problem:
        said += paragraph("damaged: " + fault(info), width, "bad", "")
    if run is not None:
        came = f" from {run.parent}@{run.parent_step}" if run.parent else ""
        profile = f"profile {run.profile_name}" if run.profile_name else "its own profile"
        what = f"{run.name}{came}, {profile}"
        said.append([(what, "bold")])
        if run.changes:
            said += paragraph("; ".join(run.changes), width, "accent", "")
    if marks:
        said.append([("marked ", "dim"), (", ".join(marks), "accent")])
    if info is not None and info.manifest is not None:
        m = info.manifest
        rate = f"lr {learning_rate(m.lr)}" if m.lr else ""
        facts = [
            f"{plural(m.images, 'picture')} seen",
            rate,
            size(info.size),
            m.created.replace("T", "\u00a0")[:16],
        ]
        said += paragraph("   ".join(f for f in facts if f), width, "dim", "")
    return said


def facts_of(info: "CheckpointInfo") -> list[tuple[str, str]]:
    """Return a checkpoint's facts as names and values."""
    m = info.manifest
    if m is None:
        return [("folder", str(info.folder.path))]
    facts = [
        ("epoch", f"{m.epochs_seen:.4g}" + (", the end of a chunk" if m.chunk_end else "")),
        ("pictures seen", f"{m.images:,}"),
        ("train loss", number(m.train_loss)),
        ("held-out loss", number(m.val_loss)),
        ("eps error", number(m.eps_error) + (", the best of the run" if info.best else "")),
        ("learning rate", learning_rate(m.lr)),
        ("tags", ", ".join(info.tags) or "none"),
        ("created", m.created.replace("T", " ")[:19]),
        ("torch", m.torch_version),
        ("folder", str(info.folder.path)),
    ]
    return [*facts, *((name, size(entry["size"])) for name, entry in sorted(m.files.items()))]


def full_lines(
    run: RunView,
    info: "CheckpointInfo",
    marks: Sequence[str],
    scores: Sequence[tuple[str, str]],
    width: int,
) -> list[Line]:
    """Return more than about_lines, for large terminals: the checkpoint's facts at the left, its scores at
    the right.
    """
    head = about_lines(run, None, marks, width)
    if info.problem:
        head += paragraph("damaged: " + fault(info), width, "bad", "")
    half = width * 2 // 5
    left = fact_lines(facts_of(info)[:SHOWN], half - 2)
    right: list[Line] = [[("scores", "dim")]] if scores else [[("no scores yet", "dim")]]
    for name, score in scores:
        right += paragraph(f"{name.replace('_', ' ')} {score}", width - half, "")
    return [*head, [""], *beside(left, right, half)]


def fault(info: "CheckpointInfo") -> str:
    """Return the checkpoint's fault, without the path that the list shows already."""
    return (info.problem or "").replace(f"{info.folder.path}{os.sep}", "")
