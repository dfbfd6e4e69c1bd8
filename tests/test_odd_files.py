"""A pipe, a device without an end or a huge file with nothing in it, in the place of a log, a picture or a curve."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ddpm_tui.cli.foreground import _Words
from ddpm_tui.cli.queue_watch import follow_file
from ddpm_tui.draw.show import load_picture
from ddpm_tui.tui.state.previews import epoch_of
from engine.base.errors import DdpmError
from engine.base.folders import JobFolder
from engine.base.records import read_tail
from engine.figures.saving import _is_figure
from engine.figures.stages import read_preview
from engine.runs.metrics import read_metrics, read_rows
from engine.service.supervision import tail

pytestmark = pytest.mark.timeout(30)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 40)


def folder(path: Path) -> None:
    path.mkdir()


KINDS = [pipe, device, sparse, folder]

READERS: dict[str, Callable[[Path], object]] = {
    "picture": load_picture,
    "preview": read_preview,
    "epoch of a preview": epoch_of,
    "figure": _is_figure,
    "the end of a log": lambda path: tail(JobFolder(path.parent), 5),
    "a worker's words": lambda path: _Words(path).new(),
    "a log": lambda path: follow_file(path, 50, None),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("reader", READERS)
def test_nothing_hangs_and_nothing_is_read_without_end(
    tmp_path: Path, kind: Callable[[Path], None], reader: str
) -> None:
    path = tmp_path / "worker.log"
    kind(path)
    said = str(path)
    try:
        READERS[reader](path)
    except (OSError, DdpmError) as error:
        said = str(error)
    assert str(path) in said


@pytest.mark.parametrize("kind", [pipe, device, folder], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("reader", [read_metrics, read_rows], ids=["curves", "rows"])
def test_curves_that_are_no_file_are_said(
    tmp_path: Path, kind: Callable[[Path], None], reader: Callable[[Path], object]
) -> None:
    path = tmp_path / "metrics.jsonl"
    kind(path)
    with pytest.raises(OSError, match=str(path)):
        reader(path)


def test_curves_longer_than_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f'{{"kind":"train","step":{n},"loss":1.0}}\n' for n in range(1000)))
    monkeypatch.setattr("engine.runs.metrics.AT_ONCE", 500)
    assert len(read_metrics(path).train["step"]) == 1000


def test_the_end_of_a_log_of_any_length(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (5 << 20) + b"\none\ntwo\n")
    follow_file(path, 2, None)
    assert capsys.readouterr().out == "one\ntwo\n"
    assert read_tail(path, 4) == (b"two\n", path.stat().st_size)
    follow_file(path, 0, None)
    assert capsys.readouterr().out == ""
