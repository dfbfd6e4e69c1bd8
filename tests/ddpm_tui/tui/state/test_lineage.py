"""Runs as a tree of branches."""

from ddpm_tui.tui.state.lineage import tree
from ddpm_tui.tui.state.snapshot import RunView


def test_branches_stand_below_their_parent_and_orphans_for_themselves() -> None:
    runs = [
        RunView("a"), RunView("b", parent="a"), RunView("c", parent="gone"),
        RunView("d", parent="b"), RunView("e", parent="a"),
    ]  # fmt: skip
    assert [t.stem + t.run.name for t in tree(runs)] == ["a", "├ b", "│ └ d", "└ e", "c"]


def test_runs_that_name_each_other_as_parent_are_still_listed() -> None:
    assert {t.run.name for t in tree([RunView("a", parent="b"), RunView("b", parent="a")])} == {"a", "b"}
