"""The bench's own arithmetic: turns, medians, spreads and the page; and what it refuses."""

import itertools

import pytest

from engine.base.errors import UsageError
from engine.bench.options import PARTS, Options, chosen_parts, timed
from engine.bench.report import markdown, table
from engine.bench.timing import Timings, in_turns, ratio, spread


def test_cases_take_turns_and_warm_up_is_not_timed() -> None:
    seen: list[str] = []
    now = itertools.count()
    times = in_turns(
        {"a": lambda: seen.append("a"), "b": lambda: seen.append("b")},
        3,
        warm_up=2,
        clock=lambda: float(next(now)),
        cpu_clock=lambda: 0.0,
    )
    assert seen == ["a", "b"] * 5
    assert [len(times[name].wall) for name in "ab"] == [3, 3]
    assert times["a"].wall == [1.0] * 3


def test_medians_spreads_and_ratios_of_the_same_round() -> None:
    slow, fast = Timings([4.0, 40.0, 4.2]), Timings([2.0, 20.0, 2.0])
    assert slow.seconds == 4.2
    assert ratio(slow, fast) == 2.0, "a round that was slow for both is no difference"
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1 / 3)
    assert spread([1.0]) == 0


def test_parts_by_name() -> None:
    assert set(PARTS) - set(chosen_parts(None)) == {"peers", "quality"}
    assert chosen_parts("scale, step") == ("step", "scale")
    with pytest.raises(UsageError, match="did you mean 'packing'"):
        chosen_parts("paking")
    with pytest.raises(UsageError, match="names no part"):
        chosen_parts(" ,")
    options = Options(("step",), ("demo",), True)
    assert Options.from_json(options.to_json()) == options


def test_of_several_profiles_the_usual_one_is_looked_at() -> None:
    assert timed(()) == timed(("demo", "celeba32", "celeba64")) == "celeba32"
    assert timed(("celeba64", "demo")) == "celeba64"


def test_the_page_has_units_and_a_row_for_each() -> None:
    rows = [{"name": "a", "saved_bytes": 2**21, "share_of_peak": 0.5, "images_per_s": 12.34}, {"name": "b"}]
    text = table(rows)
    assert "| name | saved bytes | share of peak | images/s |" in text
    assert "| a | 2 MiB | 50.0 % | 12.3 |" in text
    assert "| b | – | – | – |" in text
    machine = {"device": "X", "cores": 2, "memory_gib": 1, "system": "L", "python": "3", "torch": "2"}
    page = markdown(
        {
            "machine": {**machine, "when": "w", "load_before": 0.1},
            "peaks": {"rows": rows},
            "packing": {"bytes_per_picture": 5632.0},
            "epoch": {"shares": {"network": 0.961}},
        },
        "cmd",
    )
    assert "- bytes per picture: 5.5 KiB" in page
    assert "- network: 96.1 %" in page
    assert "X, 2 cores" in page
    assert page.endswith("Made by `cmd`.\n")
