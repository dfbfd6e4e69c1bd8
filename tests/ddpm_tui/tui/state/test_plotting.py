"""Marks on the loss chart."""

import numpy as np

from ddpm_tui.tui.state.curves import RunCurves
from ddpm_tui.tui.state.plotting import target


def test_a_target_is_put_where_a_branch_with_other_batches_will_be() -> None:
    """Ten steps of 8 were two epochs; now eleven of 4 are one."""
    train = {"step": [5, 10, 15, 21], "epoch": [1, 2, 2 + 5 / 11, 3], "images": [40, 80, 100, 124]}
    curves = RunCurves("r", {key: np.array(values, float) for key, values in train.items()})
    mark = target(curves, 5)
    assert mark is not None
    assert (mark.step, mark.epoch, mark.pictures) == (21 + 22, 5, 124 + 88)
