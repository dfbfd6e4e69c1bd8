"""metrics.jsonl: followed while it grows, read again when it was cut, never tripped by what is torn."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runs.metrics import Metrics, MetricsWriter, parse_lines, read_metrics


def train_line(step: int, loss: float = 0.5) -> bytes:
    return json.dumps({"kind": "train", "step": step, "epoch": step / 7, "loss": loss}).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def test_no_file_is_no_metrics(path: Path) -> None:
    metrics = read_metrics(path)
    assert metrics.poll() is False
    assert all(len(column) == 0 for column in metrics.train.values())


def test_written_and_read(path: Path) -> None:
    writer = MetricsWriter(path)
    writer.write({"kind": "train", "step": 1, "loss": math.nan, "lr": 1e-3})
    writer.write({"kind": "epoch", "step": 7, "epoch": 1, "val_loss": 0.25, "bands": [1.0, math.inf]})
    writer.write({"kind": "event", "step": 7, "event": "chunk", "text": "epoch 1: chunk"})
    assert writer.sync() == path.stat().st_size
    writer.close()
    metrics = read_metrics(path)
    assert np.isnan(metrics.train["loss"][0])
    assert metrics.train["lr"].tolist() == [1e-3]
    assert metrics.epochs["val_loss"].tolist() == [0.25]
    assert np.isnan(metrics.epochs["eps_error"][0])
    assert [event["text"] for event in metrics.events] == ["epoch 1: chunk"]
    assert json.loads(path.read_bytes().splitlines()[1])["bands"] == [1.0, None]
    assert metrics.corrupt_lines == 0


def test_following(path: Path) -> None:
    path.write_bytes(train_line(1))
    metrics = Metrics(path)
    assert metrics.poll()
    assert not metrics.poll()
    with path.open("ab") as file:
        file.write(train_line(2)[:-5])
    assert not metrics.poll(), "a torn last line waits"
    with path.open("ab") as file:
        file.write(train_line(2)[-5:] + train_line(3))
    assert metrics.poll()
    assert metrics.train["step"].tolist() == [1, 2, 3]


def test_a_curve_that_was_given_out_stays_as_it_is(path: Path) -> None:
    metrics = Metrics(path)
    given = []
    with path.open("ab", buffering=0) as file:
        for step in range(1, 40):
            file.write(train_line(step))
            assert metrics.poll()
            given.append(metrics.train["step"])
    assert [column.tolist() for column in given] == [list(range(1, n + 1)) for n in range(1, 40)]


def test_following_copies_nothing_that_was_read_before(path: Path) -> None:
    """But for the few times that there is no room left."""
    metrics = Metrics(path)
    given = []
    with path.open("ab", buffering=0) as file:
        for step in range(1, 200):
            file.write(train_line(step))
            metrics.poll()
            given.append(metrics.train["loss"])
    assert len({column.ctypes.data for column in given}) < 12


def test_a_file_that_was_cut_is_read_again(path: Path) -> None:
    path.write_bytes(b"".join(train_line(step) for step in range(1, 6)))
    metrics = read_metrics(path)
    MetricsWriter(path, truncate_to=len(train_line(1) + train_line(2))).close()
    assert metrics.poll()
    assert metrics.train["step"].tolist() == [1, 2]


def test_a_file_that_was_cut_and_grew_past_it_is_read_again(path: Path) -> None:
    """A resume between two looks: the file is longer than before, and its beginning is another one."""
    path.write_bytes(b"".join(train_line(step, 0.5) for step in range(1, 6)))
    metrics = read_metrics(path)
    writer = MetricsWriter(path, truncate_to=len(train_line(1) + train_line(2)))
    for step in range(3, 9):
        writer.write({"kind": "train", "step": step, "epoch": step / 7, "loss": 0.75})
    writer.close()
    assert metrics.poll()
    assert metrics.train["step"].tolist() == list(range(1, 9))
    assert metrics.train["loss"].tolist() == [0.5] * 2 + [0.75] * 6


def test_a_replaced_file_is_read_again(path: Path) -> None:
    path.write_bytes(train_line(1))
    metrics = read_metrics(path)
    other = path.with_name("other")
    other.write_bytes(train_line(7))
    other.rename(path)
    assert metrics.poll()
    assert metrics.train["step"].tolist() == [7]


def test_truncation_never_lengthens(path: Path) -> None:
    path.write_bytes(train_line(1))
    MetricsWriter(path, truncate_to=10_000).close()
    assert path.read_bytes() == train_line(1)


def test_bad_lines_are_counted_and_skipped(path: Path) -> None:
    path.write_bytes(
        train_line(1) + b"{torn\n" + b"[1, 2]\n" + b"3\n" + b"\0\0\0\0\n" + b"\n" + train_line(2)
    )
    metrics = read_metrics(path)
    assert metrics.train["step"].tolist() == [1, 2]
    assert metrics.corrupt_lines == 3, "zeros after a power cut and empty lines are no lines"


@pytest.mark.parametrize(
    "junk", [b'"a",{"kind"\n', b'{"a":1},{"b":2}\n', b'{"step":1e999}\n', b'{"step":"x"}\n']
)
def test_lines_that_look_like_several(path: Path, junk: bytes) -> None:
    path.write_bytes(train_line(1) + junk + train_line(2))
    assert read_metrics(path).train["step"].tolist()[0] == 1
    assert read_metrics(path).train["step"].tolist()[-1] == 2


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    assert all(
        row is None or isinstance(row, dict | list | int | float | str | bool) for row in parse_lines(content)
    )
