"""The β tables against products in 60-digit decimals, and against the figures known for them."""

import math
import subprocess
import sys
from typing import get_args

import pytest

from engine.diffusion.schedules import ScheduleName
from engine.diffusion.tables import betas, log_alpha_bars, terminal_alpha_bar

from .exact import exact_alpha_bars

NAMES = get_args(ScheduleName)


def test_importing_the_torch_free_half_leaves_torch_out() -> None:
    code = (
        "import sys, engine.diffusion.tables as t, engine.diffusion.randomness as r;"
        "t.terminal_alpha_bar('cosine', 200); r.seed_for(0, 'noise', 1);"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "scaled", "unscaled"),
    [("linear", 3e-5, 0.13), ("quadratic", 6e-4, 0.24), ("sigmoid", 2.8e-5, 0.13)],
)
def test_what_is_left_of_the_picture_after_200_steps(
    name: ScheduleName, scaled: float, unscaled: float
) -> None:
    assert terminal_alpha_bar(name, 200) == pytest.approx(scaled, rel=0.05)
    assert terminal_alpha_bar(name, 200, "none") == pytest.approx(unscaled, abs=0.006)


@pytest.mark.parametrize("steps", [100, 200, 1000, 4000])
def test_scaling_keeps_the_last_alpha_bar_whatever_the_number_of_steps(steps: int) -> None:
    assert 1.5e-5 < terminal_alpha_bar("linear", steps) < 5e-5
    assert 1.5e-5 < terminal_alpha_bar("sigmoid", steps) < 5e-5
    assert 4e-4 < terminal_alpha_bar("quadratic", steps) < 8e-4


def test_the_ends_are_those_of_1000_steps_there() -> None:
    for name in ("linear", "quadratic"):
        for scaling in ("steps", "none"):
            table = betas(name, 1000, scaling)  # type: ignore[arg-type]
            assert (table[0], table[-1]) == pytest.approx((1e-4, 0.02), rel=1e-12)
    assert betas("sigmoid", 1000)[0] == pytest.approx(1e-4 + 0.0199 / (1 + math.exp(6)), rel=1e-12)
    assert betas("linear", 200)[-1] == pytest.approx(0.1, rel=1e-12)


def test_the_middles_of_the_curves() -> None:
    assert betas("linear", 3, "none")[1] == pytest.approx((1e-4 + 0.02) / 2)
    assert betas("quadratic", 3, "none")[1] == pytest.approx(((0.01 + math.sqrt(0.02)) / 2) ** 2)
    assert betas("sigmoid", 3, "none")[1] == pytest.approx((1e-4 + 0.02) / 2)
    assert betas("sigmoid", 5, "none")[1] == pytest.approx(1e-4 + 0.0199 / (1 + math.exp(3)))


def test_cosine_follows_its_curve_up_to_the_cap() -> None:
    logs = log_alpha_bars(betas("cosine", 200))
    for t in (0, 1, 50, 150, 197):
        curve = [math.cos((u / 200 + 0.008) / 1.008 * math.pi / 2) ** 2 for u in (0, t + 1)]
        assert math.exp(logs[t]) == pytest.approx(curve[1] / curve[0], rel=1e-11)
    assert betas("cosine", 200)[-1] == 0.999
    assert 1 / math.sqrt(terminal_alpha_bar("cosine", 200)) > 4000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 20, 200])
@pytest.mark.parametrize("scaling", ["steps", "none"])
def test_every_table_is_usable(name: ScheduleName, steps: int, scaling: str) -> None:
    table = betas(name, steps, scaling)  # type: ignore[arg-type]
    assert len(table) == steps
    assert all(type(beta) is float and 0 < beta < 0.999 + 1e-12 for beta in table)
    assert table == sorted(table)
    assert len(set(table)) == steps
    assert terminal_alpha_bar(name, steps, scaling) == pytest.approx(  # type: ignore[arg-type]
        float(exact_alpha_bars(table)[-1]), rel=1e-12
    )


def test_a_single_step_takes_the_end() -> None:
    assert betas("linear", 1) == [0.999]
    assert betas("linear", 1, "none") == [0.02]
    assert betas("cosine", 1) == [0.999]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [1, 2, 200, 1000])
def test_zero_terminal_snr_is_zero_at_the_end_and_unchanged_at_the_start(
    name: ScheduleName, steps: int
) -> None:
    plain, table = betas(name, steps), betas(name, steps, zero_terminal_snr=True)
    assert table[-1] == 1.0
    assert terminal_alpha_bar(name, steps, zero_terminal_snr=True) == 0.0
    assert all(0 < beta < 1 for beta in table[:-1])
    if steps > 1:
        before, after = exact_alpha_bars(plain), exact_alpha_bars(table)
        assert table[0] == plain[0]
        # Algorithm 1, straight: √ᾱ moved by its last value and stretched back to its first.
        first, last = before[0].sqrt(), before[-1].sqrt()
        for t in range(0, steps, 7):
            expected = ((before[t].sqrt() - last) * first / (first - last)) ** 2
            assert float(after[t]) == pytest.approx(float(expected), rel=1e-9, abs=1e-25)


@pytest.mark.parametrize(
    "arguments",
    [
        ("linear", 0),
        ("linear", -3),
        ("linear", 10, "some"),
        ("linear", 10, "none", 0.0),
        ("linear", 10, "none", 0.1, 0.05),
        ("linear", 10, "none", 0.1, 1.0),
        ("linear", 10, "none", float("nan")),
    ],
)
def test_impossible_tables_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"steps?|β|beta_scaling"):
        betas(*arguments)  # type: ignore[arg-type]
