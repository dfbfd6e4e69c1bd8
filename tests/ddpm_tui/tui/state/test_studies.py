"""Runs are folded into their studies by name."""

from ddpm_tui.tui.state.studies import Group, gather, is_study, variants, within


def test_runs_of_a_study_stand_together_where_the_first_of_them_stands() -> None:
    names = ["a", "size.small.s0", "b", "size.large.s0", "a.b.s1", "size.small.s1"]
    assert gather(names) == [
        Group("", ("a",)),
        Group("size", ("size.small.s0", "size.large.s0", "size.small.s1")),
        Group("", ("b",)),
        Group("", ("a.b.s1",)),
    ]


def test_a_branch_of_a_studys_run_belongs_to_it() -> None:
    names = ["size.small.s0", "size.small.s1", "x", "mine"]
    parents = {"mine": "size.small.s1", "x": "x"}
    assert [g.runs for g in gather(names, parents)] == [("size.small.s0", "size.small.s1", "mine"), ("x",)]


def test_names_below_a_study_leave_it_out_and_keys_differ_from_runs() -> None:
    (group,) = gather(["size.small.v2.s0", "size.small.v2.s11"])
    assert within("size", group.runs[0]) == "small.v2.s0"
    assert is_study(group.key)
    assert not is_study("size.small.v2.s0")
    assert not is_study(None)
    assert variants(group.runs) == {"small.v2": ["size.small.v2.s0", "size.small.v2.s11"]}
