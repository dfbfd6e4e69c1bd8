"""The profiles screen's texts about profiles: rows, facts and differences, of plain values. Knows no screen."""

from typing import TYPE_CHECKING

from ddpm_tui.tui.widgets.rows import Line, Rows, cut, fact_lines
from ddpm_tui.tui.widgets.table import Column, Row
from ddpm_tui.words import plural

if TYPE_CHECKING:
    from ddpm_tui.tui.state.profile_facts import ProfileEntry
    from engine.config.profile import Profile

COLUMNS = (Column("", 1), Column("profile", 18, grow=1), Column("", 7, drop=1))


class AboutProfile(Rows):
    """Facts about one profile, or how it differs from another."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self.facts: list[tuple[str, str]] = []
        self.tone = ""
        self.diff: list[tuple[str, str, str]] = []

    def show(self, facts: list[tuple[str, str]], tone: str = "") -> None:
        """Show names and values, in one ink if `tone` is given."""
        self.facts, self.diff, self.tone = facts, [], tone
        self.repaint()

    def show_diff(self, diff: list[tuple[str, str, str]]) -> None:
        """Show rows of (key, here, there); the first row is the two names."""
        self.facts, self.diff, self.tone = [], diff, ""
        self.repaint()

    def lines(self, width: int, height: int) -> list[Line]:
        if not self.diff:
            return [
                [(p, self.tone) if isinstance(p, str) else p for p in line]
                for line in fact_lines(self.facts, width)
            ]
        key = max(len(row[0]) for row in self.diff)
        room = max(6, (width - key - 4) // 2)
        found: list[Line] = []
        for place, (name, left, right) in enumerate(self.diff):
            inks = ("accent", "warn") if place else ("bold", "bold")
            found.append(
                [(f"{name:<{key}}  ", "dim"), (cut(left, room), inks[0]), "  ", (cut(right, room), inks[1])]
            )
        return found


def profile_row(entry: "ProfileEntry", marked: bool) -> Row:
    """Return the row of one profile, and whose it is."""
    mark = ("●", "accent") if marked else ""
    whose = ("broken", "bad") if entry.problems else ("yours", "good") if entry.own else ("shipped", "dim")
    words = f"{entry.name} {whose[0]} {entry.profile.description if entry.profile else ''}"
    return Row(entry.name, (mark, (entry.name, "bad" if entry.problems else ""), whose), words)


def facts_of(p: "Profile") -> list[tuple[str, str]]:
    """Return the most telling settings of a profile."""
    return [
        ("data", f"{p.data.dataset}, {p.data.size} px, {p.data.recipe}{', mirrored' if p.data.flip else ''}"),
        ("network", f"{p.model.block}, width {p.model.width}, {p.model.blocks_per_level} blocks a level"),
        ("diffusion", f"{p.diffusion.steps} steps, {p.diffusion.schedule}"),
        ("objective", f"predicts {p.objective.prediction}, {p.objective.loss}"),
        ("training", f"batches of {p.training.batch_size}, {p.optim.optimizer}"),
        ("EMA", f"half-life {plural(p.training.ema_halflife, 'picture')}"),
        ("sampling", f"{p.sampling.sampler}, {p.sampling.steps} steps, {p.sampling.weights} weights"),
    ]


def diff_rows(a: "ProfileEntry", b: "ProfileEntry") -> list[tuple[str, str, str]]:
    """Return the two names, then (key, value in a, value in b) for each difference. Both are usable."""
    from engine.config.store import diff_profiles, value_text

    assert a.profile is not None
    assert b.profile is not None
    rows = [
        (key, value_text(x, "–"), value_text(y, "–")) for key, x, y in diff_profiles(a.profile, b.profile)
    ]
    return [("", a.name, b.name), *(rows or [("no difference", "", "")])]
