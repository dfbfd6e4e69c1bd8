"""The list of runs as a tree of branches, with the runs of a study folded under its name."""

from ddpm_tui.tui.screens.checkpoint_rows import RUN_COLUMNS, run_rows, study_lines
from ddpm_tui.tui.state.snapshot import Snapshot
from ddpm_tui.tui.state.studies import Group, gather
from ddpm_tui.tui.widgets.rows import Line
from ddpm_tui.tui.widgets.table import Table


class RunTree(Table):
    """`show_runs` with every Snapshot. `run` and `study` name the row under the cursor."""

    def __init__(self) -> None:
        super().__init__(RUN_COLUMNS, id="runs")
        self._snapshot = Snapshot()
        self._nothing: list[Line] = []
        self._open: set[str] = set()
        self._words = ""

    def show_runs(self, snapshot: Snapshot, nothing: list[Line]) -> None:
        """Show the runs. nothing: the text if there are no runs."""
        self._snapshot, self._nothing = snapshot, nothing
        self._again()

    def narrow(self, words: str) -> None:
        """Show only runs with all these words, those folded into a study too."""
        self._words = words
        self._again()
        self.filter(words)

    def fold(self) -> None:
        """Show the runs of the study under the cursor, or fold them away."""
        if self.study is not None:
            self._open ^= {self.study.key}
            self._again()

    def go_to(self, run: str) -> bool:
        """Put the cursor on a run, unfolding its study. Return whether it is there."""
        self._open |= {group.key for group in self._studies() if run in group.runs}
        self._again()
        self.move_to(run)
        return self.key == run

    @property
    def run(self) -> str | None:
        """Return the name of the run under the cursor."""
        return None if self.study is not None else self.key

    @property
    def study(self) -> Group | None:
        """Return the study under the cursor, if it is not on a run."""
        return next((group for group in self._studies() if group.key == self.key), None)

    def study_lines(self, key: str) -> list[Line]:
        """Describe that study. key: the one that unfolds it."""
        study = self.study
        if study is None:
            return []
        return study_lines(study.study, [r for r in self._snapshot.runs if r.name in study.runs], key)

    def _studies(self) -> list[Group]:
        runs = self._snapshot.runs
        return [g for g in gather([r.name for r in runs], {r.name: r.parent for r in runs}) if g.study]

    def _again(self) -> None:
        self.show(run_rows(self._snapshot, self._open, bool(self._words)), self._nothing)
