"""Scores on disk: whole or not there, never without their terms, and refused before anything is computed."""

import json
import math
import os
import subprocess
import sys
from dataclasses import MISSING, fields, replace
from pathlib import Path

import numpy as np
import pytest

from engine.base.errors import DamagedError, UserError
from engine.base.files import FileLock
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.runs import evaluations
from engine.runs.evaluations import (
    Reference,
    Score,
    check_measures,
    read_evaluation,
    read_evaluations,
    scores_at,
    write_evaluation,
)
from engine.runs.measures import PLAIN_MEASURES

REFERENCE = Reference("celeba", "held_out", 1998, "abcdef0123456789")
SWD = Score(
    "sliced_wasserstein", 12.34, 12.0, 12.9, 500, "lower", "", None, "center178", 32, "dpmpp", 20, "trailing", 0, "ema",
    REFERENCE, 3.2, {"levels": {"32": 12.3, "16": 14.0}},
)  # fmt: skip
BITS = replace(
    SWD, name="bits_per_dim", value=3.71, low=None, high=None, sampler=None, steps=None, spacing=None
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    home = Home(tmp_path).create()
    folder = home.run("r")
    folder.path.mkdir()
    return folder


def test_what_is_written_is_read_back_with_its_terms(run: RunFolder) -> None:
    scores = {"sliced_wasserstein": SWD, "bits_per_dim": replace(BITS, value=math.nan)}
    detail = {"x": np.float32(1.5), "y": [math.inf, np.arange(2)]}
    scores["memorisation"] = replace(SWD, name="memorisation", detail=detail)
    written = write_evaluation(run, 1200, 9.8361, "ema", scores, "000007-5f", b"a picture")
    assert written.path.name == "00001200-000007-5f.json"
    json.loads(written.path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    (found,) = read_evaluations(run)
    assert found.scores["sliced_wasserstein"] == SWD
    assert math.isnan(found.scores["bits_per_dim"].value)
    assert found.scores["memorisation"].detail == {"x": 1.5, "y": [None, [0, 1]]}
    assert (found.run, found.checkpoint, found.epoch, found.weights) == ("r", 1200, 9.8361, "ema")
    assert found.pairs is not None
    assert found.pairs.read_bytes() == b"a picture"


def test_a_score_has_no_term_that_can_be_left_out() -> None:
    without = [f.name for f in fields(Score) if f.default is not MISSING or f.default_factory is not MISSING]
    assert without == ["detail"]


@pytest.mark.parametrize("term", [f.name for f in fields(Score) if f.name not in ("name", "detail")])
def test_a_file_whose_score_lacks_a_term_is_not_shown(run: RunFolder, term: str) -> None:
    path = write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": SWD}, "a").path
    content = json.loads(path.read_text())
    del content["scores"]["sliced_wasserstein"][term]
    path.write_text(json.dumps(content))
    with pytest.raises(DamagedError, match=path.name):
        read_evaluation(path)
    heard: list[str] = []
    assert read_evaluations(run, complain=heard.append) == []
    assert path.name in heard[0]


def test_a_line_says_everything_the_figure_depends_on() -> None:
    assert SWD.line() == (
        "12.3 [12.0, 12.9] (N=500 samples, dpmpp×20 trailing, ema weights, seed 0, center178 32 px, "
        "against 1,998 held-out pictures of celeba)"
    )
    assert "dpmpp" not in BITS.line()
    assert "noise seed 0" in BITS.line()
    fid = replace(
        SWD, name="fid", extractor="inception-v3 (6726825d)", reference=replace(REFERENCE, part="train")
    )
    assert "inception-v3 (6726825d)" in fid.line()
    assert "1,998 training pictures" in fid.line()


def test_only_scores_on_the_same_terms_compare() -> None:
    assert SWD.comparable(replace(SWD, value=1.0, weights="raw", seed=4, detail={}))
    for term in (
        {"n": 499},
        {"steps": 21},
        {"recipe": "whole"},
        {"reference": replace(REFERENCE, fingerprint="b")},
        {"detail": {"eta": 0.5}},
        {"detail": {"variance": "fixed_large"}},
        {"detail": {"clip": False}},
    ):
        assert not SWD.comparable(replace(SWD, **term))
        assert not replace(SWD, **term).comparable(SWD)
    assert SWD.comparable(replace(SWD, detail={"eta": 0.0, "variance": "fixed_small", "clip": True}))
    drawn_otherwise = {"eta": 1.0, "clip": False}
    assert "dpmpp×20 trailing, eta 1.0, clip False, ema" in replace(SWD, detail=drawn_otherwise).line()
    assert BITS.comparable(replace(BITS, detail=drawn_otherwise)), "no samples are drawn for it"
    assert replace(SWD, value=1.0).better_than(SWD)
    assert replace(SWD, value=99.0, direction="higher").better_than(replace(SWD, direction="higher"))


def test_of_equally_many_pictures_the_newest_score_stands(run: RunFolder) -> None:
    write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": SWD, "bits_per_dim": BITS}, "000001-a")
    write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": replace(SWD, value=9.0)}, "000002-a")
    write_evaluation(run, 6, 2.0, "ema", {"sliced_wasserstein": replace(SWD, value=8.0)}, "000003-a")
    found = scores_at(run, 5)
    assert (found["sliced_wasserstein"].value, found["bits_per_dim"].value) == (9.0, 3.71)
    assert scores_at(run, 7) == {}


def test_a_score_of_fewer_pictures_hides_none_of_more(run: RunFolder) -> None:
    write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": SWD}, "000001-a")
    few = {"sliced_wasserstein": replace(SWD, n=16, value=9.0), "bits_per_dim": replace(BITS, n=16)}
    write_evaluation(run, 5, 1.0, "ema", few, "000002-a")
    assert {name: score.n for name, score in scores_at(run, 5).items()} == {
        "sliced_wasserstein": 500,
        "bits_per_dim": 16,
    }


def test_jobs_count_up_whatever_the_clock_says(run: RunFolder) -> None:
    """Also past a million of them; what training scored comes before every job's."""
    for number, id_ in enumerate(("1000000-a", "000002-a", "training", "000001-a")):
        path = write_evaluation(
            run, 5, 1.0, "ema", {"sliced_wasserstein": replace(SWD, value=number)}, id_
        ).path
        path.write_text(json.dumps({**json.loads(path.read_text()), "created": f"2026-01-0{number + 1}"}))
    assert [e.id for e in read_evaluations(run)] == ["training", "000001-a", "000002-a", "1000000-a"]
    assert scores_at(run, 5)["sliced_wasserstein"].value == 0


def test_the_same_job_done_twice_leaves_one_evaluation(run: RunFolder) -> None:
    for value in (1.0, 2.0):
        write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": replace(SWD, value=value)}, "000001")
    assert [e.scores["sliced_wasserstein"].value for e in read_evaluations(run)] == [2.0]


def test_newer_and_torn_files_are_said_and_passed_over(run: RunFolder) -> None:
    path = write_evaluation(run, 5, 1.0, "ema", {"sliced_wasserstein": SWD}, "a").path
    (run.evaluations / "00000005-b.json").write_text(path.read_text()[:200])
    (run.evaluations / "00000005-c.json").write_text('{"format": 99}')
    (run.evaluations / "00000005-d.json").write_text("[]")
    heard: list[str] = []
    assert [e.id for e in read_evaluations(run, complain=heard.append)] == ["a"]
    assert len(heard) == 3
    assert any("newer ddpm-tui" in line for line in heard)


KILLED = """
import sys
from pathlib import Path
from engine.base.folders import RunFolder
from engine.runs.evaluations import write_evaluation
from tests.engine.runs.test_evaluations import SWD
write_evaluation(RunFolder(Path(sys.argv[1])), 5, 1.0, "ema", {"sliced_wasserstein": SWD}, "a", b"picture")
"""


def test_killed_before_the_record_there_is_no_evaluation(run: RunFolder) -> None:
    env = {**os.environ, "DDPM_FAILPOINTS": "evaluation.before_record=kill"}
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", KILLED, str(run.path)], env=env, cwd=root, timeout=60)
    assert done.returncode == -9
    assert read_evaluations(run) == []
    left = run.evaluations / "00000005-a.pairs.png"
    assert left.exists()
    evaluations.sweep(run)
    assert left.exists()  # it may be of an evaluation that is being written at this moment
    os.utime(left, (0, 0))
    write_evaluation(run, 6, 1.0, "ema", {"sliced_wasserstein": SWD}, "b", b"picture")
    assert sorted(p.name for p in run.evaluations.iterdir()) == ["00000006-b.json", "00000006-b.pairs.png"]


def test_what_was_kept_is_forgotten_after_a_while(run: RunFolder) -> None:
    """But not under an evaluation that goes on with it at this moment."""
    for name, old in (("new", False), ("old", True), ("used", True)):
        folder = run.evaluations / f"{evaluations.KEPT}{name}"
        folder.mkdir(parents=True)
        (folder / "scores.json").touch()
        (folder / "lock").touch()
        if old:
            os.utime(folder, (0, 0))
    with FileLock.acquire(run.evaluations / f"{evaluations.KEPT}used" / "lock", "an evaluation"):
        evaluations.sweep(run)
    assert sorted(p.name for p in run.evaluations.iterdir()) == [".kept-new", ".kept-used"]


def test_measures_by_name() -> None:
    assert check_measures(None, None) == PLAIN_MEASURES
    assert check_measures(["eps_error", "default", "eps_error"], None)[0] == "eps_error"
    assert len(check_measures(["eps_error", "default"], None)) == len(PLAIN_MEASURES)


@pytest.mark.parametrize(
    ("names", "extractor", "said"),
    [
        (["sliced_waserstein"], None, "did you mean 'sliced_wasserstein'?"),
        ([], None, "no measures are given"),
        (["frechet"], None, "--extractor FILE.onnx"),
        (["fid"], "/nowhere.onnx", "fid needs Inception"),
        (["kid"], "/nowhere.onnx", "--extractor /nowhere.onnx: there is no such file"),
    ],
)
def test_what_cannot_be_measured_is_refused(names: list[str], extractor: str | None, said: str) -> None:
    with pytest.raises(UserError) as caught:
        check_measures(names, extractor)
    assert said in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluations, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"fid needs torch-fidelity.*pip install 'ddpm-tui\[metrics\]'"):
        check_measures(["eps_error", "fid"], None)
    file = tmp_path / "e.onnx"
    file.touch()
    with pytest.raises(UserError, match="frechet needs onnxruntime"):
        check_measures(None, str(file))
    assert check_measures(None, None) == PLAIN_MEASURES
