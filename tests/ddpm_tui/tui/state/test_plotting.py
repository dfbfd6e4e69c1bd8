"""Marks on the loss chart."""

import numpy as np

from ddpm_tui.tui.state.curves import RunCurves
from ddpm_tui.tui.state.plotting import marks, target
from ddpm_tui.tui.state.snapshot import RunView
from engine.runs.rate_plan import Segment


def test_a_target_is_put_where_a_branch_with_other_batches_will_be() -> None:
    """Ten steps of 8 were two epochs; now eleven of 4 are one."""
    train = {"step": [5, 10, 15, 21], "epoch": [1, 2, 2 + 5 / 11, 3], "images": [40, 80, 100, 124]}
    curves = RunCurves("r", {key: np.array(values, float) for key, values in train.items()})
    mark = target(curves, 5)
    assert mark is not None
    assert (mark.step, mark.epoch, mark.pictures) == (21 + 22, 5, 124 + 88)


def test_a_segment_of_the_rate_plan_is_marked_where_it_begins() -> None:
    """Also before the curve is there, so that the mark does not jump."""
    train = {"step": [5, 10, 15], "epoch": [1, 2, 3], "images": [40, 80, 120]}
    curves = RunCurves("r", {key: np.array(values, float) for key, values in train.items()})
    segments = [Segment(2, 2, 1e-3, 0.0).to_json(), Segment(4, 1, 1e-3, 0.0).to_json()]
    found = marks(curves, RunView("r", frozen={"segments": segments}))
    assert [(m.step, m.epoch, m.pictures) for m in found] == [(10, 2, 80), (20, 4, 160)]
    assert {(m.text, m.kind) for m in found} == {("learning rate up to 0.001", "lr")}
    assert marks(curves, RunView("r", frozen={"segments": 3})) == ()
    assert marks(curves, RunView("r")) == ()
