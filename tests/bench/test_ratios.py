"""The goals of speed, as ratios within one run: `make bench-check`, on a machine that has nothing else to do.

Not part of `make test`: a busy machine would fail them.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.base.home import Home
from engine.bench.job import run_bench
from engine.bench.options import Options, missing_peers
from engine.bench.packing import WAYS
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_spec

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

Measure = Callable[[str], dict[str, Any]]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    home = Home(tmp_path / "home").create()

    def call(part: str) -> dict[str, Any]:
        options = Options((part,), ("celeba32",))
        folder = new_job_folder(home, "bench", None, options.to_json(), foreground=True)
        found: dict[str, Any] = run_bench(Work(home, folder, read_spec(folder), io.StringIO())).extra["bench"]
        return dict(found[part])

    return call


@pytest.mark.skipif(bool(missing_peers()), reason=f"not installed: {', '.join(missing_peers())}")
def test_a_flop_costs_less_than_in_the_best_peer(measure: Measure) -> None:
    tops = {top["precision"]: top for top in measure("peers")["best_peers"]}
    assert tops["fp32"]["ours_over_it_cpu"] >= 1.3, tops["fp32"]
    if "bf16" in tops:
        assert tops["bf16"]["ours_over_it_cpu"] >= 2.0, tops["bf16"]


def test_an_epoch_is_its_forward_and_backward_passes(measure: Measure) -> None:
    found = measure("epoch")
    assert found["data_against_step"] <= 0.02
    assert found["network_share"] >= 0.95, found["shares"]
    assert found["shares"]["preview"] <= 0.02


def test_packing_keeps_up_with_decoding(measure: Measure) -> None:
    found = measure("packing")
    rows = {row["what"]: row for row in found["rows"]}
    assert found["many_peak_bytes"] <= 2 * found["peak_bytes"]
    assert rows[WAYS["scaled"]]["share_reached_cpu"] >= 2 / 3, found["rows"]
    assert rows[WAYS["decoded"]]["share_reached"] >= 0.8, found["rows"]


def test_nothing_grows_with_what_has_piled_up(measure: Measure) -> None:
    rows = {row["what"]: row for row in measure("scale")["rows"] if "factor" in row}
    for what in ("a batch of 64", "write a line", "write and follow a line", "change a job's state"):
        assert rows[what]["factor"] <= 2, rows[what]


def test_help_comes_at_once(measure: Measure) -> None:
    assert measure("startup")["help_over_click_cpu"] <= 3
