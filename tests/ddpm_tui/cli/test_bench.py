"""`bench`: a real worker measures; bad input is refused before one starts."""

import json
from pathlib import Path

import pytest

from tests.ddpm_tui.cli.conftest import Cli


@pytest.mark.slow
@pytest.mark.e2e
def test_a_quick_look_at_the_machine(cli: Cli, tmp_path: Path) -> None:
    ended = cli("bench", "--quick", "--only", "memory", "--profile", "demo", "--out", str(tmp_path / "out"))
    assert ended.code == 0, ended.err
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    (row,) = found["memory"]["rows"]
    assert row["profile"] == "demo"
    assert row["counted_bytes"] > row["saved_bytes"] > row["batch"] * 1_000_000
    assert (tmp_path / "out" / "bench.md").read_text() in ended.out + "\n"


def test_what_it_refuses(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, code, said in (
        (("--only", "paking"), 2, "packing"),
        (("--profile", "dem"), 1, "demo"),
        (("--out", str(tmp_path / "file" / "x")), 1, "cannot write"),
    ):
        ended = cli("bench", *arguments)
        assert ended.code == code
        assert said in ended.error
