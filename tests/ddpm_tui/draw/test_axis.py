import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddpm_tui.draw.axis import linear_ticks, log_ticks, short, snug


def labels(ticks: list) -> list[str]:  # type: ignore[type-arg]
    return [tick.label for tick in ticks]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 6, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0, 12_345, 6, ["0", "5k", "10k"]),
        (0, 300_000, 6, ["0", "50k", "100k", "150k", "200k", "250k", "300k"]),
        (100_000, 1.5e6, 6, ["500k", "1M", "1.5M"]),
        (0, 25, 6, ["0", "5", "10", "15", "20", "25"]),
        (0.028, 0.49, 6, ["0.1", "0.2", "0.3", "0.4"]),
        (0.0301, 0.0322, 6, ["0.0305", "0.0310", "0.0315", "0.0320"]),
        (0, 0.002, 6, ["0", "0.0005", "0.0010", "0.0015", "0.0020"]),
        (1_234_567, 1_234_599, 6, ["1234570", "1234580", "1234590"]),
        (2e-5, 6e-5, 6, ["2e-5", "3e-5", "4e-5", "5e-5", "6e-5"]),
        (-1, 1, 4, ["-1.0", "-0.5", "0", "0.5", "1.0"]),
    ],
)
def test_linear_ticks_are_those_a_person_would_write(
    low: float, high: float, most: int, expected: list[str]
) -> None:
    assert labels(linear_ticks(low, high, most)) == expected


def test_steps_are_whole() -> None:
    assert labels(linear_ticks(3, 5, 6, whole=True)) == ["3", "4", "5"]


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.02, 0.5, 8, ["0.02", "0.03", "0.05", "0.07", "0.1", "0.2", "0.3", "0.5"]),
        (0.02, 0.5, 5, ["0.02", "0.05", "0.1", "0.2", "0.5"]),
        (1e-6, 1, 8, ["1e-6", "1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]),
        (1e-6, 100, 4, ["1e-6", "0.001", "1"]),
        (1000, 1e6, 4, ["1k", "10k", "100k", "1M"]),
        (0.03, 0.036, 4, ["0.030", "0.032", "0.034", "0.036"]),
    ],
)
def test_log_ticks(low: float, high: float, most: int, expected: list[str]) -> None:
    got = labels(log_ticks(low, high, most))
    assert got[: len(expected)] == expected
    assert len(got) <= most + 1


@given(low=st.floats(1e-6, 1e6), ratio=st.floats(1.01, 1e6), most=st.integers(1, 12), log=st.booleans())
def test_ticks_are_inside_few_and_told_apart(low: float, ratio: float, most: int, log: bool) -> None:
    ticks = (log_ticks if log else linear_ticks)(low, low * ratio, most)
    span = low * ratio - low
    assert all(low - 1e-6 * span <= t.at <= low * ratio + 1e-6 * span for t in ticks)
    assert len(ticks) <= most + 1
    assert len(set(labels(ticks))) == len(ticks)


def test_nothing_to_label() -> None:
    assert linear_ticks(1, 1, 5) == []
    assert log_ticks(0, 1, 5) == []
    assert linear_ticks(0, 1, 0) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.03124, "0.0312"),
        (1.5e6, "1.5M"),
        (12_345, "12.3k"),
        (999.96, "1k"),
        (999_999, "1M"),
        (2.1e-5, "2.10e-5"),
        (float("nan"), "–"),
        (-3.2, "-3.20"),
        (20_000, "20k"),
    ],
)
def test_short(value: float, expected: str) -> None:
    assert short(value) == expected


@given(low=st.floats(1e-6, 1e3), ratio=st.floats(1.0, 1e4), log=st.booleans())
def test_a_snug_range_holds_the_data_without_wasting_room(low: float, ratio: float, log: bool) -> None:
    high = low * ratio
    bottom, top = snug(low, high, log)
    assert bottom <= low * (1 + 1e-9)
    assert top >= high * (1 - 1e-9)
    assert bottom < top
    if log:
        assert low / bottom <= 2.01
        assert top / high <= 2.01


def test_a_snug_range_stands_still_while_a_curve_creeps() -> None:
    assert len({snug(0.0301 + i * 1e-5, 0.48, True) for i in range(90)}) == 1
    assert len({snug(0.01, 0.43 + i * 1e-4, False) for i in range(50)}) == 1
