"""Which timesteps are visited: by hand, and what holds for every T and S."""

import math
from itertools import pairwise

import pytest

from engine.diffusion.spacing import Spacing, timesteps
from engine.diffusion.tables import betas, log_alpha_bars


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ("trailing", [999, 799, 599, 399, 199]),
        ("linspace", [999, 749, 500, 250, 0]),
        ("leading", [800, 600, 400, 200, 0]),
    ],
)
def test_five_of_a_thousand(spacing: Spacing, expected: list[int]) -> None:
    assert timesteps(1000, 5, spacing) == expected


def test_halves_are_rounded_before_the_one_is_taken_off() -> None:
    # 25, 22.5, 20, 17.5 …: rounding goes to the even neighbour, so the order of the two shows.
    assert timesteps(25, 10, "trailing") == [24, 21, 19, 17, 14, 11, 9, 7, 4, 1]


def test_leading_reaches_as_far_as_it_can_where_s_does_not_divide_t() -> None:
    # Whole gaps of T // S = 1 would stop at 149 of 200.
    assert timesteps(200, 150, "leading")[:3] == [198, 197, 196]
    assert timesteps(7, 3, "leading") == [4, 2, 0]


@pytest.mark.parametrize("T", [1, 2, 3, 10, 37, 200])
def test_any_number_of_steps(T: int) -> None:  # noqa: N803
    for S in range(1, T + 1):  # noqa: N806
        for spacing in ("trailing", "linspace", "leading"):
            found = timesteps(T, S, spacing)  # type: ignore[arg-type]
            assert len(found) == len(set(found)) == S
            assert found == sorted(found, reverse=True)
            assert found[-1] >= 0
            if spacing != "leading":
                assert found[0] == T - 1
            if spacing == "leading" or (spacing == "linspace" and S > 1):
                assert found[-1] == 0
            gaps = [a - b for a, b in pairwise(found)]
            assert not gaps or max(gaps) - min(gaps) <= (2 if spacing == "trailing" else 1)
            if S == T:
                assert found == list(range(T))[::-1]


@pytest.mark.parametrize("name", ["linear", "cosine", "quadratic", "sigmoid"])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("T", [1, 2, 3, 40])
def test_any_number_of_steps_by_log_snr(name: str, zero: bool, T: int) -> None:  # noqa: N803
    logs = log_alpha_bars(betas(name, T, zero_terminal_snr=zero))  # type: ignore[arg-type]
    for S in range(1, T + 1):  # noqa: N806
        found = timesteps(T, S, "logsnr", logs)
        assert len(found) == len(set(found)) == S
        assert found == sorted(found, reverse=True)
        assert found[0] == T - 1
        assert S == 1 or found[-1] == 0


def test_steps_are_even_in_log_snr_as_far_as_there_are_timesteps() -> None:
    logs = log_alpha_bars(betas("linear", 4000))
    log_snr = [bar - math.log(-math.expm1(bar)) for bar in logs]
    found = [log_snr[t] for t in timesteps(4000, 12, "logsnr", logs)]
    even = [-10 + (log_snr[0] + 10) * k / 11 for k in range(12)]
    assert found[1:] == pytest.approx(even[1:], abs=0.1)
    with pytest.raises(ValueError, match="log_alpha_bars"):
        timesteps(4000, 12, "logsnr")
    with pytest.raises(ValueError, match="log_alpha_bars"):
        timesteps(400, 12, "logsnr", logs)


def test_impossible_requests_are_refused() -> None:
    for steps in (0, -1, 11):
        with pytest.raises(ValueError, match="from 1 to the schedule's 10"):
            timesteps(10, steps, "trailing")
    with pytest.raises(ValueError, match="karras"):
        timesteps(10, 5, "karras")  # type: ignore[arg-type]
