"""Tables of the comparison: settings that differ, figures and scores, each score's terms once below.

Imported after the first paint.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len
from textual.containers import VerticalScroll

from ddpm_tui.tui.screens.compare_base import CompareView
from ddpm_tui.tui.state import comparing
from ddpm_tui.tui.state.comparing import Cell, Compared
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.widgets.rows import Line, cut
from ddpm_tui.tui.widgets.sheet import Sheet, paragraph

Ink = Callable[[Compared], str]

GAP = 2
SHORTEST = 12
"""Cells of a label from which one can still guess the rest."""
NARROWEST = 7
"""Cells of a column in which a figure can still be read."""


class TableView(CompareView):
    """One row a setting or measure, one column a subject; the words get shorter if there is less room."""

    def __init__(
        self,
        name: str,
        make: Callable[..., comparing.ComparisonTable],
        stamp: Callable[..., object],
        ink: Ink,
    ) -> None:
        """Make a view.

        make: (home, subjects, snapshot) → the table, in a thread · stamp: a cheap mark of the state it is
        made from."""
        self._sheet = Sheet()
        super().__init__(name, VerticalScroll(self._sheet))
        self.target = self._content[0]
        self._make, self._stamp, self._ink = make, stamp, ink

    def paint(self, subjects: Sequence[Compared], snapshot: Snapshot) -> None:
        state = (tuple(s.name for s in subjects), self._stamp(subjects, snapshot))
        if state != self._made:
            self._made = state
            self.beside(self._read, tuple(subjects), snapshot)

    async def _read(self, subjects: tuple[Compared, ...], snapshot: Snapshot) -> None:
        found = await asyncio.to_thread(self._make, self.ddpm.home, subjects, snapshot)
        if found.rows:
            inks = [self._ink(subject) for subject in subjects]
            self.reveal()
            self._sheet.show(lambda width: table_lines(found, comparing.titles(subjects), inks, width))
        else:
            self.say(found.note)


def table_lines(
    found: comparing.ComparisonTable, titles: Sequence[str], inks: Sequence[str], width: int
) -> list[Line]:
    """Return the table in `width` cells: if there is less room, words get shorter and names lose their
    middle."""
    labels = [line.label for line in found.rows]
    label = min(max(map(cell_len, labels)), max(SHORTEST, width - len(titles) * (NARROWEST + GAP)))
    room = (width - label) // len(titles) - GAP
    cells = [[cell.forms[0] for cell in line.cells] for line in found.rows]
    if any(cell_len(text) > room for row in cells for text in row):
        room = max(room, NARROWEST)
        cells = [[_form(cell, room) for cell in line.cells] for line in found.rows]
    wide = min(max(cell_len(text) for row in [titles, *cells] for text in row), max(room, NARROWEST))
    between = " " * GAP
    head = [
        (f"{between}{_middle(title, wide)}", f"bold {ink}") for title, ink in zip(titles, inks, strict=True)
    ]
    lines: list[Line] = [[" " * label, *head]]
    for name, line, row in zip(labels, found.rows, cells, strict=True):
        figures = [
            (f"{between}{cut(text, wide)}", "bold good" if cell.best else "")
            for text, cell in zip(row, line.cells, strict=True)
        ]
        lines.append([(cut(name, label), "warn" if line.apart else "dim"), *figures])
    for text, ink in _below(found):
        lines += paragraph(text, width, ink)
    return lines


def _form(cell: Cell, room: int) -> str:
    """Return the longest words that have room, else the shortest."""
    return next((form for form in cell.forms if cell_len(form) <= room), cell.forms[-1])


def _middle(text: str, room: int) -> str:
    """Return a name in `room` cells, cut in its middle: runs differ at the beginning or at the end."""
    if cell_len(text) <= room:
        return cut(text, room)
    end = room // 2
    return f"{text[: room - 1 - end]}…{text[-end:]}"


def _below(found: comparing.ComparisonTable) -> list[tuple[str, str]]:
    """Return paragraphs below the table, with their inks."""
    said = [(f"≠ {text}", "warn") for text in found.differing]
    said += [(text, "dim") for text in found.terms]
    if found.terms:
        said.append(("↓ less is better, ↑ more is; green is best; intervals: 95 % of resamples", "dim"))
    said += [(text, "bad") for text in found.problems]
    return [("", ""), *said] if said else []


def settings_view(ink: Ink) -> TableView:
    """Return a view of every setting in which the runs differ."""
    return TableView(
        "profiles",
        lambda home, subjects, snapshot: comparing.settings(home, subjects),
        lambda subjects, snapshot: None,
        ink,
    )


def figures_view(ink: Ink) -> TableView:
    """Return a view of the figures of training and the scores."""

    def stamp(subjects: Sequence[Compared], snapshot: Snapshot) -> Any:
        curves = [snapshot.curves.get(s.run) for s in subjects]
        ended = tuple(j.id for j in snapshot.jobs if j.job.kind == "evaluate" and j.job.over)
        return ended, tuple(len(c.epochs.get("step", ())) if c else 0 for c in curves)

    return TableView(
        "figures",
        lambda home, subjects, snapshot: comparing.figures(home, subjects, snapshot.curves),
        stamp,
        ink,
    )
