from dataclasses import replace

import numpy as np
import pytest

from ddpm_tui.draw.series import Mark, Points, Series
from ddpm_tui.draw.view import Plot, View, y_range


def curve(n: int = 1000, every: int = 5, first: int = 0) -> Points:
    steps = first + np.arange(1, n + 1) * every
    return Points(steps, steps / 100, steps * 64, 0.03 + np.exp(-steps / 500))


def plot(n: int = 1000, target: float | None = None) -> Plot:
    mark = None if target is None else Mark(target, target / 100, target * 64, "")
    return Plot([Series("a", 0, curve(n), Points())], (), mark)


def test_everything_is_in_sight_at_first_and_the_end_is_round() -> None:
    assert View(unit="steps").range(plot(1000)) == (0.0, 5000.0)
    assert View(unit="steps").range(plot(1010)) == (0.0, 5500.0)
    assert View(unit="epochs").range(plot(1000)) == (0.0, 50.0)


def test_the_end_stands_still_while_the_run_grows() -> None:
    ends = [View(unit="steps").range(plot(n))[1] for n in range(1001, 1100)]
    assert len(set(ends)) == 1
    assert View(unit="steps").range(plot(10, target=6000)) == (0.0, 6000.0)
    assert View(unit="steps").range(plot(2000, target=6000))[1] == 10_000


def test_a_run_branched_late_does_not_start_at_zero() -> None:
    late = Plot([Series("b", 0, curve(100, first=9000), Points())])
    assert View(unit="steps").range(late)[0] == 9005


def test_zooming_in_at_the_newest_end_keeps_it_in_sight_and_out_gives_all_back() -> None:
    p = plot()
    near = View(unit="steps").zoomed(p, 0.5)
    left, right = near.range(p)
    assert right - left == pytest.approx(2500)
    assert left < 5000 <= right
    assert near.zoomed(p, 2.0).span is None


def test_zooming_about_the_cursor_keeps_it_where_it_is() -> None:
    p = plot()
    view = replace(View(unit="steps"), cursor=1000.0).zoomed(p, 0.5)
    left, right = view.range(p)
    assert (1000 - left) / (right - left) == pytest.approx(0.2)
    # Putting the cursor away does not throw the view back to the newest end.
    assert replace(view, cursor=None).range(p) == (left, right)


def test_zoom_ends_where_points_are_few() -> None:
    p = plot()
    view = View(unit="steps")
    for _ in range(40):
        view = view.zoomed(p, 0.5)
    left, right = view.range(p)
    assert right - left == pytest.approx(8 * 5)


def test_panning_stays_inside_and_stops_following() -> None:
    p = plot()
    view = View(unit="steps").zoomed(p, 0.1).panned(p, -1.0)
    assert not view.follow
    assert view.panned(p, -1e9).range(p)[0] == 0
    back = view.panned(p, 1e9)
    assert back.follow
    assert back.range(p)[1] >= 5000
    assert View().panned(p, 0.5) == View()


def test_following_moves_in_jumps() -> None:
    view = View(unit="steps").zoomed(plot(1000), 0.1)
    spans = [view.range(plot(n)) for n in range(1000, 1200)]
    assert all(left <= n * 5 <= right for n, (left, right) in zip(range(1000, 1200), spans, strict=True))
    assert len(set(spans)) <= 200 * 5 / (500 / 8) + 2
    assert all(right - left == pytest.approx(500) for left, right in spans)


def test_the_view_stands_still_under_the_cursor() -> None:
    view = View(unit="steps").zoomed(plot(1000), 0.1).inspecting(plot(1000))
    assert view.range(plot(1000)) == view.range(plot(1500))
    assert replace(view, cursor=None).range(plot(1500))[1] >= 7500


def test_not_following_stays() -> None:
    view = View(unit="steps").zoomed(plot(1000), 0.1).panned(plot(1000), -1.0)
    assert view.range(plot(1000)) == view.range(plot(5000))


def test_another_unit_shows_the_same_stretch() -> None:
    p = plot()
    view = replace(View(unit="steps").zoomed(p, 0.1), cursor=4800.0)
    other = view.in_unit(p, "pictures")
    assert other.range(p) == pytest.approx(tuple(64 * x for x in view.range(p)))
    assert other.cursor == pytest.approx(4800 * 64)
    assert View().in_unit(Plot(), "steps").unit == "steps"


def test_the_cursor_goes_by_columns_where_points_are_dense_and_by_points_where_sparse() -> None:
    p = plot()
    view = View(unit="steps").inspecting(p)
    assert view.cursor == 5000
    assert view.stepped(p, -1, 50).cursor == 4900
    near = replace(view, span=(4960.0, 5000.0), follow=False)
    assert near.stepped(p, -1, 200).cursor == 4995
    assert view.stepped(p, 1, 50).cursor == 5000
    assert view.stepped(p, -10_000, 50).cursor == 5


def test_the_view_goes_along_with_the_cursor() -> None:
    p = plot()
    view = replace(View(unit="steps"), span=(2000.0, 3000.0), follow=False).inspecting(p, 2000)
    moved = view.stepped(p, -8, 50)
    left, right = moved.range(p)
    assert moved.cursor is not None
    assert left <= moved.cursor <= right < 3000


def test_inspecting_nothing() -> None:
    assert View().inspecting(Plot()).cursor is None
    assert View().range(Plot()) == (0.0, 1.0)


def test_y_range_ignores_what_cannot_be_drawn() -> None:
    lows = [np.array([np.nan, 0.03, -1.0])]
    assert y_range(lows, [np.array([0.4])], log=True) == (0.02, 0.5)
    assert y_range(lows, [np.array([0.4])], log=False)[0] <= -1
    assert y_range([np.array([np.nan])], [np.array([np.nan])], log=True) == (0.1, 1.0)
