"""The gallery's texts about sample sets: rows of the list, and the facts of one. Knows no screen."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from ddpm_tui.tui.state.studies import gather, within
from ddpm_tui.tui.widgets.rows import Line, Piece
from ddpm_tui.tui.widgets.sheet import paragraph
from ddpm_tui.tui.widgets.table import Column, Row
from engine.base.home import short_reference

if TYPE_CHECKING:
    from ddpm_tui.tui.state.samples import GalleryEntry
    from engine.runs.evaluations import Score

_SHORT = {"trailing": "trail", "leading": "lead", "linspace": "lin"}
"""Spacings as the list has room for; below it they are whole."""
FIGURES = 3
"""Scores said beside a set; the checkpoint's details have all."""


def columns(entries: Sequence["GalleryEntry"]) -> tuple[Column, ...]:
    """Return the columns of the list: wider if some sets must be told apart by their spacing too."""
    how = 15 if any(entry.spacing for entry in entries) else 9
    return Column("set", 13, grow=1), Column("n", 4, right=True), Column("how", how, drop=1)


def set_rows(entries: Sequence["GalleryEntry"], opened: Collection[str], everything: bool) -> list[Row]:
    """Return the list's rows, those of a study's runs folded below its name unless its key is among `opened`,
    or with `everything`."""
    of: dict[str, list[GalleryEntry]] = {}
    for entry in entries:
        of.setdefault(entry.run, []).append(entry)
    rows: list[Row] = []
    for group in gather(list(of)):
        unfolded = everything or group.key in opened
        inside = [entry for run in group.runs for entry in of[run]]
        if group.study:
            sign = "▾" if unfolded else "▸"
            cells: tuple[Piece, ...] = (
                (f"{sign} {group.study}", "bold"),
                (str(len(inside)), "dim"),
                ("sets", "dim"),
            )
            rows.append(Row(group.key, cells, f"{group.study} {' '.join(group.runs)}"))
        if unfolded or not group.study:
            rows += [_row(entry, group.study) for entry in inside]
    return rows


def _row(entry: "GalleryEntry", study: str) -> Row:
    facts = entry.facts
    indent, run = " " * bool(study), within(study, entry.run)
    if entry.previews:
        film: tuple[Piece, ...] = (indent + run, (str(len(entry.previews)), "dim"), ("previews", "dim"))
        return Row(entry.key, film, f"{entry.run} previews")
    if entry.problem:
        name = f"{run}/{entry.sample}" if run else entry.called
        return Row(entry.key, ((indent + name, "bad"), "", ("damaged", "bad")))
    how = f"{facts.get('sampler', '?')} {facts.get('steps', '?')} {_SHORT.get(entry.spacing, entry.spacing)}".strip()
    name = f"{run or facts.get('run', '?')}@{facts.get('checkpoint', '?')}"
    search = f"{entry.run} {name} {how} {facts.get('spacing', '')} {entry.sample}"
    if not entry.run:
        search += f" exported {entry.reference}"
        name = short_reference(entry.reference) if entry.reference else name
    return Row(entry.key, (indent + name, str(facts.get("n", "?")), (how, "dim")), search)


def fact_lines(entry: "GalleryEntry", scores: Mapping[str, "Score"], width: int) -> list[Line]:
    """Describe how a set was made, and the scores that its checkpoint has, never without their terms."""
    if entry.problem:
        return paragraph(entry.problem, width, "bad", "")
    if entry.previews:
        return paragraph(f"{entry.run}: the same seeds at {len(entry.previews)} moments", width, "dim", "")
    facts = entry.facts
    way = f"{facts.get('sampler')}×{facts.get('steps')} {facts.get('spacing') or ''}".strip()
    if facts.get("weights") != "ema":
        way += f", {facts.get('weights')} weights"
    when = str(facts.get("created", "")).replace("T", " ")[:16]
    of = f"{facts.get('run')}@{entry.step}, exported to {entry.reference or 'a folder'}"
    lines: list[Line] = [
        *([] if entry.run else paragraph(of, width, "dim", "")),
        *paragraph(f"{way}, seed {facts.get('seed')}", width, "dim", ""),
        [(f"epoch {_plain(facts.get('epoch'))}, {facts.get('size')} px, {when}", "dim")],
    ]
    if scores:
        from ddpm_tui.tui.state.scores import figures, terms_of, words

        names = list(scores)[:FIGURES]
        for name in names:
            figure = figures(scores[name])[-2:][0]
            lines.append([(f"{words(name)} ", "dim"), figure])
        shared = terms_of(names, [dict(scores)], [""])[0]
        for terms in shared:
            # The attributes need not be named if the pictures are of everybody.
            unit = scores[names[0]].unit
            short = ", ".join(part for part in (unit, terms.partition(": ")[2]) if part)
            lines += paragraph(short if len(names) == 1 else terms, width, "dim", " ")
    return lines


def _plain(epoch: object) -> str:
    return f"{epoch:.2f}".rstrip("0").rstrip(".") if isinstance(epoch, float) else str(epoch)
