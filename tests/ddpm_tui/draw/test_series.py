import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_tui.draw.series import EARLY, Points, columns, nearest_index, smooth

NAN = float("nan")


def points(y: object, every: float = 1.0) -> Points:
    values = np.asarray(y, dtype=np.float64)
    steps = np.arange(1, len(values) + 1) * every
    return Points(steps, steps / 100, steps * 64, values)


def recursion(x: np.ndarray, y: np.ndarray, half_life: float) -> np.ndarray:
    """The definition, one value after the other; half-lives are counted in many small parts of each stretch."""
    out = []
    total = weight = 0.0
    beginning = x[0] - (x[1] - x[0] if len(x) > 1 else 1.0)
    for i in range(len(x)):
        if i:
            v = np.linspace(x[i - 1] - beginning, x[i] - beginning, 4001)
            v = (v[1:] + v[:-1]) / 2
            decay = 2 ** -(np.sum((x[i] - x[i - 1]) / len(v) / np.minimum(half_life, v / EARLY)))
        else:
            decay = 0.0  # from the very beginning on infinitely many
        total, weight = decay * total, decay * weight
        if np.isfinite(y[i]):
            total, weight = total + (1 - decay) * y[i], weight + 1 - decay
            out.append(total / weight)
        else:
            out.append(NAN)
    return np.array(out)


def test_smoothing_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.uniform(0.1, 30, 500))
    y = rng.normal(size=500)
    y[40:45] = NAN
    np.testing.assert_allclose(smooth(x, y, 25.0), recursion(x, y, 25.0), rtol=1e-5)


def test_a_constant_stays_constant_from_the_first_value_on() -> None:
    np.testing.assert_allclose(smooth(np.arange(50), np.full(50, 0.3), 10.0), 0.3, rtol=1e-14)


def test_a_step_is_half_forgotten_after_a_half_life() -> None:
    x = np.arange(-10_000.0, 201)
    y = np.where(x <= 0, 1.0, 0.0)
    smoothed = smooth(x, y, 100.0)
    assert smoothed[x == 0][0] == pytest.approx(1.0)
    assert smoothed[x == 100][0] == pytest.approx(0.5, rel=1e-9)
    assert smoothed[x == 200][0] == pytest.approx(0.25, rel=1e-9)


def test_the_first_value_is_not_favoured() -> None:
    assert 1.0 < smooth([1.0, 2.0], [5.0, 1.0], 1e6)[1] < 1.2


def test_a_falling_loss_is_followed_from_the_beginning() -> None:
    x = np.arange(1.0, 1001.0)
    falling = x**-0.5
    np.testing.assert_array_less(smooth(x, falling, 1e4)[5:] / falling[5:], 1.2)


def test_smoothing_does_not_depend_on_how_densely_the_run_was_logged() -> None:
    x = np.arange(1, 2001) / 1.0
    y = 0.03 + np.exp(-x / 300) + 0.1 * np.sin(x)
    coarse_y = y.reshape(-1, 10).mean(axis=1)  # logged every ten steps, as means
    coarse = smooth(x[9::10], coarse_y, 150.0)
    fine = smooth(x, y, 150.0)[9::10]
    np.testing.assert_allclose(coarse[5:], fine[5:], rtol=0.02)
    # A run whose logging changed halfway smooths like either.
    mixed = smooth(np.r_[x[:1000], x[1009::10]], np.r_[y[:1000], coarse_y[100:]], 150.0)
    assert mixed[-1] == pytest.approx(fine[-1], rel=0.01)


def test_smoothing_does_not_depend_on_what_comes_later() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=1000)
    assert (smooth(np.arange(400), y[:400], 30.0) == smooth(np.arange(1000), y, 30.0)[:400]).sum() > 0
    np.testing.assert_allclose(smooth(np.arange(400), y[:400], 30.0), smooth(np.arange(1000), y, 30.0)[:400])


def test_no_half_life_is_no_smoothing_and_gaps_stay_gaps() -> None:
    y = np.array([1.0, NAN, 3.0, np.inf])
    np.testing.assert_array_equal(smooth(np.arange(4), y, 0), [1.0, NAN, 3.0, NAN])
    assert np.isnan(smooth(np.arange(4), y, 5.0)).tolist() == [False, True, False, True]


@pytest.mark.parametrize("cuts", [[1, 2, 3], [100], [7, 8, 300]])
def test_points_that_come_one_by_one_smooth_like_all_at_once(cuts: list[int]) -> None:
    y = np.random.default_rng(2).normal(size=400)
    whole = points(y)
    growing = Points()
    for start, end in zip([0, *cuts], [*cuts, 400], strict=True):
        part = np.arange(start + 1, end + 1)
        growing.extend(part, part / 100, part * 64, y[start:end])
        growing.smoothed(1000.0)
    np.testing.assert_allclose(growing.smoothed(1000.0), whole.smoothed(1000.0), rtol=1e-12)
    np.testing.assert_allclose(growing.smoothed(500.0), whole.smoothed(500.0), rtol=1e-12)


def test_a_resumed_run_forgets_what_came_after_its_checkpoint() -> None:
    curve = points([1, 2, 3, 4, 5])
    curve.smoothed(64.0)
    curve.extend([3, 4], [0.03, 0.04], [192, 256], [30, 40])
    assert curve.y.tolist() == [1, 2, 30, 40]
    np.testing.assert_allclose(curve.smoothed(64.0), points([1, 2, 30, 40]).smoothed(64.0))
    curve.extend([2, 3, 4, 5], [0] * 4, [128, 192, 256, 320], [7, 7, 7, 7])
    np.testing.assert_allclose(curve.smoothed(64.0), points([1, 7, 7, 7, 7]).smoothed(64.0))
    together = Points([1, 2, 3, 2, 3], [0] * 5, [0] * 5, [1, 2, 3, 20, 30])
    assert together.y.tolist() == [1, 20, 30]


def test_points_grow_past_any_size() -> None:
    curve = Points()
    for i in range(1, 1001):
        curve.extend(i, i / 10, i * 64, i * 0.5)
    assert len(curve) == 1000
    assert curve.x("pictures")[-1] == 64_000
    assert curve.y[999] == 500


@settings(max_examples=150)
@given(
    y=st.lists(st.one_of(st.floats(-5, 5), st.just(NAN)), min_size=1, max_size=300),
    count=st.integers(1, 120),
    view=st.tuples(st.floats(0, 300), st.floats(1, 300)),
)
def test_no_minimum_or_maximum_is_lost(y: list[float], count: int, view: tuple[float, float]) -> None:
    values = np.array(y)
    x = np.arange(len(values), dtype=np.float64)
    left, right = view[0], view[0] + view[1]
    low, high = columns(x, values, left, right, count)
    inside = values[(x >= left) & (x <= right)]
    inside = inside[np.isfinite(inside)]
    if len(inside):
        assert np.nanmin(low) <= inside.min()
        assert np.nanmax(high) >= inside.max()
    # And each one in its own column.
    for xi, yi in zip(x, values, strict=True):
        if left <= xi <= right and np.isfinite(yi):
            column = min(count - 1, int((xi - left) / (right - left) * count))
            near = slice(max(0, column - 1), column + 2)
            assert np.nanmin(low[near]) <= yi <= np.nanmax(high[near])
    # Nothing is drawn beyond what the values reach.
    finite = values[np.isfinite(values)]
    if len(finite):
        assert np.nanmin(np.r_[low, np.inf]) >= finite.min() - 1e-9
        assert np.nanmax(np.r_[high, -np.inf]) <= finite.max() + 1e-9


def test_sparse_points_are_joined_by_their_line() -> None:
    low, high = columns(np.array([0.0, 10.0]), np.array([0.0, 10.0]), 0.0, 10.0, 10)
    np.testing.assert_allclose(low, np.arange(10))
    np.testing.assert_allclose(high, np.arange(1, 11))


def test_a_line_enters_and_leaves_the_view() -> None:
    low, high = columns(np.array([0.0, 100.0]), np.array([0.0, 100.0]), 40.0, 60.0, 2)
    np.testing.assert_allclose([low, high], [[40, 50], [50, 60]])


def test_nothing_is_drawn_across_a_gap() -> None:
    y = np.array([1.0, 1, NAN, NAN, 1, 1])
    low, _ = columns(np.arange(6.0), y, 0.0, 6.0, 12)
    assert np.isfinite(low).tolist() == [True, True, True, *[False] * 5, True, True, True, False]


def test_a_curve_of_gaps_and_an_empty_one_draw_nothing() -> None:
    for x, y in ((np.arange(3.0), np.full(3, NAN)), (np.empty(0), np.empty(0))):
        assert np.isnan(columns(x, y, 0, 3, 5)).all()
    single, _ = columns(np.array([2.0]), np.array([7.0]), 0, 4, 4)
    assert single[2] == 7
    assert np.isnan(np.delete(single, 2)).all()


def test_nearest_index() -> None:
    x = np.array([0.0, 10.0, 20.0])
    assert [nearest_index(x, at) for at in (-5, 4, 6, 14.9, 15.1, 99)] == [0, 0, 1, 1, 2, 2]
    assert nearest_index(np.empty(0), 1.0) is None
    assert nearest_index(np.array([3.0]), 1.0) == 0
