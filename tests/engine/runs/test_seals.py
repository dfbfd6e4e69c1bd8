"""Records that say themselves whether they are what was written."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ddpm_tui.cli.main import run as cli
from engine.base.errors import DamagedError
from engine.base.home import Home
from engine.base.records import read_object
from engine.base.seals import check_seal, digest, write_sealed
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.jobs.files import read_result
from engine.runs.branch import branch_run
from engine.runs.checkpoints import list_checkpoints, verify
from engine.runs.metrics import MetricsWriter, read_metrics
from engine.runs.record import freeze, load_run, read_record, rename_run
from engine.service.runs import newest, run_facts
from tests.tiny import job, make_run, work
from tests.torchless import spoil_manifest, trained_run


def read_sealed(path: Path, what: str) -> dict[str, Any]:
    content = read_object(path, what)
    check_seal(content, what, path)
    return content


@pytest.fixture(autouse=True)
def _at_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPM_HOME", str(home.root))


def test_what_was_written_is_read_and_every_change_of_a_byte_shows(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    content: dict[str, Any] = {
        "a": 1.5,
        "b": [1, {"c": None}],
        "d": "é\udcff",
        "e": (1, 2),
        "nan": float("nan"),
    }
    write_sealed(path, content)
    assert read_sealed(path, "it")["e"] == [1, 2]
    whole = path.read_bytes()
    same = read_sealed(path, "it")
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = read_sealed(path, "it")
        except DamagedError:
            continue
        # A byte of the space between, or of the digest's own name: nothing is other than it was.
        assert {k: v for k, v in found.items() if k in same and k != "digest"} == {
            k: v for k, v in same.items() if k != "digest"
        }


def test_order_and_spaces_are_no_content() -> None:
    assert digest({"a": 1, "b": 2.0}) == digest({"b": 2.0, "a": 1, "digest": "x"})
    assert digest({"a": 1}) != digest({"a": 1.0})


def test_every_writer_seals_what_it_writes(home: Home) -> None:
    run = trained_run(home, "r", 2)
    branch_run(home, run, list_checkpoints(run)[-1], ["optim.lr=1e-4"], "b")
    freeze(run, horizon_epochs=9)
    rename_run(home, "r", "s")
    for name in ("s", "b"):
        folder = home.run(name)
        assert "digest" in read_sealed(folder.record, "it")
        for info in list_checkpoints(folder):
            assert "digest" in read_sealed(info.folder.manifest, "it")
            assert verify(info.folder) is None
    assert load_run(home, "b").lineage.parent == "s"  # type: ignore[union-attr]


def test_an_altered_run_is_named_by_all_who_read_it(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained_run(home, "r", 2)
    text = run.record.read_text()
    run.record.write_text(text.replace('"dropout": 0.1', '"dropout": 0.9'))
    assert run.record.read_text() != text
    for read in (lambda: read_record(run), lambda: run_facts(run)):
        with pytest.raises(DamagedError, match="has been altered"):
            read()
    assert cli(["checkpoints", "verify", "r"]) == 1
    assert re.search(r"^run.json: .*has been altered", capsys.readouterr().out, re.MULTILINE)


def test_an_altered_manifest_is_no_reason_to_believe_it(home: Home) -> None:
    run = trained_run(home, "r", 2)
    path = run.checkpoint(14).manifest
    path.write_text(path.read_text().replace('"epoch": 2', '"epoch": 9'))
    reached = newest(run)
    assert reached is not None
    assert reached.step == 7
    spoil_manifest(run.checkpoint(14), step=7, epoch=9)  # of an older version, without a digest
    assert newest(run) == reached


def test_records_of_older_versions_are_read_and_verify_says_so(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained_run(home, "r", 2)
    spoil_manifest(run.checkpoint(7))
    content = json.loads(run.record.read_text())
    del content["digest"]
    run.record.write_text(json.dumps(content))
    assert read_record(run).name == "r"
    assert cli(["checkpoints", "verify", "r"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "7: whole (its manifest has no digest: an older version wrote it)",
        "14: whole",
    ]


def test_metrics_are_not_cut_in_the_middle_of_a_line(home: Home) -> None:
    run = trained_run(home, "r", 2)
    before = run.metrics.read_bytes()
    with pytest.raises(DamagedError, match="nothing is cut"):
        MetricsWriter(run.metrics, truncate_to=len(before) // 10 - 3)
    assert run.metrics.read_bytes() == before
    assert len(read_metrics(run.metrics).train["step"]) == 2


@pytest.mark.slow
def test_nothing_is_trained_on_altered_pictures(home: Home, pictures: Path) -> None:
    add_source(home, pictures, "dots")
    folder = pack(home, "dots", 16, "whole", processes=1)
    run = make_run(home, "r")
    with open(folder.pictures, "r+b") as file:
        file.seek(5000)
        file.write(bytes(255 - byte for byte in folder.pictures.read_bytes()[5000:5004]))
    asked = job(home, run, 1)
    assert work(asked).returncode == 1
    result = read_result(asked)
    assert result is not None
    assert "pictures.u8 is altered (SHA-256 differs)" in result.message
    assert list_checkpoints(run) == []
