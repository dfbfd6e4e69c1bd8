"""The report of a study: a self-contained folder with a table, curves, faces, and a list of missing results.

Reads runs and their scores; trains and draws nothing.
"""

import csv
import io
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.base.errors import DamagedError, UserError
from engine.base.files import disk_errors, without_nan, write_text
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.figures.curves import FigureCurve, loss_curves
from engine.figures.saving import save_figure
from engine.figures.sheet import Picture, labelled_sheet
from engine.figures.stages import preview_paths, read_preview
from engine.runs.evaluations import read_evaluations
from engine.runs.metrics import read_metrics
from engine.runs.record import run_names
from engine.studies.plan import (
    BASE,
    SHOWN,
    at_epoch,
    check_settings,
    made_so,
    other_settings,
    run_name,
    seed_of,
    shown_sets,
    steps,
)
from engine.studies.spec import Study

SHEET_PICTURES = 6
MORE_IS_BETTER = ("memorisation", "precision", "recall")


@dataclass
class Outcome:
    """The results of one variant. `figures`: name → one value for each seed that has it; `terms`: the settings of a
    score; `missing`: unfinished steps.
    """

    variant: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def add(self, name: str, value: float | None) -> None:
        if value is not None and np.isfinite(value):
            self.figures.setdefault(name, []).append(float(value))


@dataclass(frozen=True)
class Report:
    """The report's folder, text, and missing results."""

    folder: Path
    outcomes: tuple[Outcome, ...]
    missing: tuple[str, ...]


def write_report(home: Home, study: Study, small: bool, folder: Path, command: str) -> Report:
    """Write README.md, table.csv, report.json, curves.png and faces.png. Raises UserError if there are no results
    yet.
    """
    outcomes = _outcomes(home, study, small)
    missing = _missing(outcomes)
    if not any(o.figures for o in outcomes):
        check_settings(home, study, small)
        flag = " --small" if small else ""
        raise UserError(
            f"nothing of study {study.name!r} has run yet", f"`ddpm-tui study run {study.name}{flag}`"
        )
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        curves = _curves(home, study, small)
        if curves is not None:
            save_figure(curves, folder / "curves.png", command)
        faces = _faces(home, study, small)
        if faces is not None:
            save_figure(faces, folder / "faces.png", command)
        write_text(folder / "table.csv", _csv(outcomes))
        write_text(folder / "report.json", _json(home, study, small, outcomes, missing, command))
        pictures = [n for n, made in (("curves", curves), ("faces", faces)) if made is not None]
        write_text(folder / "README.md", _markdown(study, small, outcomes, missing, command, pictures))
    return Report(folder, tuple(outcomes), missing)


def _missing(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return a line for each variant with missing results; variants that lack the same share one."""
    lacking: dict[str, list[str]] = {}
    for outcome in outcomes:
        if outcome.missing:
            lacking.setdefault("; ".join(outcome.missing), []).append(outcome.variant)
    return tuple(f"{', '.join(variants)}: {what}" for what, variants in lacking.items())


def _outcomes(home: Home, study: Study, small: bool) -> list[Outcome]:
    outcomes = {name: Outcome(name) for name in study.names}
    others = other_settings(home, study, small)
    for step in steps(home, study, small):
        outcome = outcomes.get(step.variant)
        if not step.done:
            word = {"train": "trained to", "sample": "sampled at", "evaluate": "scored at"}[step.kind]
            lacks = f"{step.run} is not {word} epoch {step.epoch}"
            if step.run in others:
                lacks = f"{step.run} was created with other settings ({others[step.run]})"
            for each in [outcome] if outcome else outcomes.values():
                if lacks not in each.missing:
                    each.missing.append(lacks)
            continue
        if outcome is None:
            continue
        run = home.run(step.run)
        if step.kind == "train":
            _training(run, step.epoch, outcome)
        elif step.kind == "evaluate":
            _scores(run, outcome, step.args)
    return list(outcomes.values())


def _training(run: RunFolder, epoch: int, outcome: Outcome) -> None:
    """Add the metrics at the end of that epoch, even if the run has continued."""
    metrics = read_metrics(run.metrics)
    epochs, train = metrics.epochs, metrics.train
    rows = np.flatnonzero(epochs["epoch"] == epoch)
    if len(rows):
        outcome.add("held-out loss", epochs["val_loss"][rows[-1]])
        outcome.add("eps error", epochs["eps_error"][rows[-1]])
        outcome.add("pictures seen", epochs["images"][rows[-1]])
    if np.isfinite(train["images_per_s"]).any():
        outcome.add("images/s", float(np.nanmedian(train["images_per_s"])))


def _scores(run: RunFolder, outcome: Outcome, args: dict[str, Any]) -> None:
    step = int(str(args["checkpoint"]).partition("@")[2])
    for name in args["measures"]:
        found = [e.scores[name] for e in read_evaluations(run, step) if name in e.scores]
        fitting = [score for score in found if made_so(score, args)]
        if fitting:
            outcome.add(_words(name), fitting[-1].value)
            outcome.terms[_words(name)] = fitting[-1].terms()
            drawing = fitting[-1].detail.get("drawing_seconds")
            if drawing:
                outcome.add("s to draw 100", 100 * drawing / fitting[-1].n)


def _words(name: str) -> str:
    return name.replace("_", " ")


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation over seeds; with one seed, the value alone."""
    if not values:
        return "–"
    mean = statistics.fmean(values)
    if mean >= 10_000:  # a count
        return f"{mean:,.0f}"
    if len(values) == 1:
        return f"{mean:.4g}"
    deviation = statistics.stdev(values)
    return f"{mean:.4g}" if deviation == 0 else f"{mean:.4g} ± {deviation:.2g}"


def _terms(outcomes: Sequence[Outcome]) -> str:
    """Return the settings of each score: once if all variants share them, otherwise for each variant."""
    lines = []
    for name in _columns(outcomes):
        of = {o.variant: o.terms[name] for o in outcomes if name in o.terms}
        if len(set(of.values())) == 1:
            lines.append(f"- {name}: {next(iter(of.values()))}")
        else:
            lines += [f"- {name} of {variant}: {terms}" for variant, terms in of.items()]
    return "\n".join(lines)


def _columns(outcomes: Sequence[Outcome]) -> list[str]:
    return list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))


def _markdown(
    study: Study, small: bool, outcomes: Sequence[Outcome], missing: Sequence[str], command: str,
    pictures: Sequence[str],
) -> str:  # fmt: skip
    plan = study.plan(small)
    columns = _columns(outcomes)
    rows = [
        f"| {o.variant} | {' | '.join(spread(o.figures.get(c, [])) for c in columns)} | "
        f"{max((len(v) for v in o.figures.values()), default=0)} |"
        for o in outcomes
    ]
    seeds = len(plan.seeds)
    few = "" if seeds >= 3 else f" Fewer than three seeds: differences may be chance ({seeds} here)."
    more = ", ".join(["speed", *(c for c in columns if c in MORE_IS_BETTER)])
    changed = f", `{'`, `'.join(plan.set)}`" if plan.set else ""
    parts = [
        f"# {study.title}{' (small version)' if small else ''}",
        study.question,
        f"Base profile `{plan.base}`{changed}; {plan.epochs} epochs; seeds {', '.join(map(str, plan.seeds))}. "
        "Figures are means over seeds ± their standard deviation; less is better in all but "
        f"{more}.{few} Held-out losses of different losses, predictions or schedules cannot be compared with "
        "each other; the eps error, taken at fixed log-SNR, can, and so can distances of samples.",
        "\n".join(
            [f"| variant | {' | '.join(columns)} | seeds |", f"| --- |{' --- |' * (len(columns) + 1)}", *rows]
        ),
    ]
    if terms := _terms(outcomes):
        parts.append("Scored with:\n\n" + terms)
    if missing:
        parts.append("Missing:\n\n" + "\n".join(f"- {line}" for line in missing))
    titles = {"curves": "Learning", "faces": "Faces, the same seeds everywhere"}
    parts += [f"## {titles[name]}\n\n![{titles[name]}]({name}.png)" for name in pictures]
    parts.append(f"Made by `{command}`.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _csv(outcomes: Sequence[Outcome]) -> str:
    columns = _columns(outcomes)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["variant", *(f"{c} {what}" for c in columns for what in ("mean", "deviation", "seeds")), "terms"]
    )
    for outcome in outcomes:
        row: list[Any] = [outcome.variant]
        for column in columns:
            values = outcome.figures.get(column, [])
            row += [
                statistics.fmean(values) if values else "",
                statistics.stdev(values) if len(values) > 1 else "",
                len(values),
            ]
        writer.writerow([*row, "; ".join(f"{name}: {terms}" for name, terms in outcome.terms.items())])
    return buffer.getvalue()


def _json(
    home: Home, study: Study, small: bool, outcomes: Sequence[Outcome], missing: Sequence[str], command: str
) -> str:
    runs = {
        step.run: study.profile(
            home, small, None if step.variant == BASE else step.variant, seed_of(step.run)
        ).to_dict()
        for step in steps(home, study, small)
        if step.kind == "train" and step.branch_of is None
    }
    content = {
        "study": study.model_dump(exclude={"source"}),
        "small": small,
        "command": command,
        "variants": {o.variant: o.figures for o in outcomes},
        "terms": {o.variant: o.terms for o in outcomes},
        "missing": list(missing),
        "profiles": runs,
    }
    return json.dumps(without_nan(content), indent=2, ensure_ascii=False) + "\n"


def _curves(home: Home, study: Study, small: bool) -> Image.Image | None:
    """Draw the eps error by epoch: mean over seeds, and their range."""
    if study.kind == "sample":
        return None
    plan, found = study.plan(small), []
    there = set(run_names(home)) - other_settings(home, study, small).keys()
    for name in study.names:
        each = []
        for run in (run_name(study, small, name, seed) for seed in plan.seeds):
            if run in there:
                epochs = read_metrics(home.run(run).metrics).epochs
                if np.isfinite(epochs["eps_error"]).any():
                    each.append((epochs["epoch"], epochs["eps_error"]))
        if each:
            count = min(len(x) for x, _ in each)
            values = np.stack([y[:count] for _, y in each])
            found.append(FigureCurve(name, each[0][0][:count], values.mean(0), values.min(0), values.max(0)))
    if not found:
        return None
    return loss_curves(found, x_label="epoch", y_label="eps error on held-out pictures", title=study.title)


def _faces(home: Home, study: Study, small: bool) -> Image.Image | None:
    return _sampled(home, study, small) if study.kind == "sample" else _learning(home, study, small)


def _learning(home: Home, study: Study, small: bool) -> Image.Image | None:
    """Draw variants as rows and epochs as columns: previews of the first seed's run, preceded by those of the base
    for a branch.
    """
    plan = study.plan(small)
    wanted = plan.sheet_epochs or (plan.epochs,)
    others = other_settings(home, study, small)
    pictures = max(1, SHEET_PICTURES // max(1, len(wanted) - 2))
    cells: list[list[Picture | None]] = []
    for name in study.names:
        by_epoch = {}
        for maker in (BASE, name) if study.kind == "branch" else (name,):
            run = run_name(study, small, maker, plan.seeds[0])
            for path in preview_paths(home.run(run)) if run not in others else ():
                try:
                    preview = read_preview(path)
                except DamagedError:
                    continue
                by_epoch[preview.epoch] = preview.pictures
        row: list[Picture | None] = []
        for epoch in wanted:
            shown = list(by_epoch.get(str(epoch), []))[:pictures]
            row += [*shown, *[None] * (pictures - len(shown))]
        cells.append(row)
    if not any(picture is not None for row in cells for picture in row):
        return None
    names = [f"epoch {e}" for e in wanted]
    caption = f"{study.title}: seed {plan.seeds[0]}"
    return labelled_sheet(cells, study.names, names, group=pictures, caption=caption)


def _sampled(home: Home, study: Study, small: bool) -> Image.Image | None:
    """Draw variants as rows and pictures of the same noise as columns: sample sets of the first seed's run."""
    plan = study.plan(small)
    run = home.run(run_name(study, small, BASE, plan.seeds[0]))
    point = at_epoch(run, plan.epochs)
    cells: list[list[Picture | None]] = []
    for how in study.samplers.values():
        cells.append(_set(run, point.step, how.drawing()) if point else [])
    if not any(p is not None for row in cells for p in row):
        return None
    return labelled_sheet(cells, study.names, caption=f"{study.title}: the same noise in each column")


def _set(run: RunFolder, checkpoint: int, how: dict[str, Any]) -> list[Picture | None]:
    for record in shown_sets(run, checkpoint, how):
        try:
            return list(np.load(record["folder"] / "pictures.npy"))
        except (OSError, ValueError):
            continue
    return [None] * SHOWN["n"]
