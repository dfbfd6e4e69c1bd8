"""`bench`: a real worker measures; bad input is refused before one starts."""

import json
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.config.store import build_profile, save_profile, to_toml
from engine.data.catalog import add_source
from tests.ddpm_tui.cli.conftest import Cli
from tests.tiny import TINY


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


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("forked_workers")
def test_variants_are_given_the_same_time(cli: Cli, home: Home, many_pictures: Path) -> None:
    add_source(home, many_pictures, "dots")
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))
    ended = cli(
        "bench", "--only", "quality", "--profile", "tiny", "--minutes", "0.02", "--seeds", "2",
        "--variant", "training.batch_size=16 training.micro_batch=8 data.flip=false", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    found = ended.json["quality"]
    assert (found["seconds_each"], found["seeds"]) == (pytest.approx(1.2), 2)
    plain, wide = found["rows"]
    assert (plain["variant"], wide["variant"]) == (
        "tiny",
        "training.batch_size=16 training.micro_batch=8 data.flip=false",
    )
    for row in (plain, wide):
        # A step that began in time is finished.
        assert 0.5 < row["images"] / row["images_per_s"] / 1.2 < 2
        assert row["eps_error_deviation"] > 0
        assert 0 < row["eps_error"] < 2
        assert row["sliced_wasserstein"] > 0


@pytest.mark.slow
@pytest.mark.e2e
@pytest.mark.usefixtures("forked_workers")
def test_variants_of_a_step_are_held_against_the_plain_one(cli: Cli, home: Home) -> None:
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))
    ended = cli(
        "bench",
        "--only",
        "step",
        "--quick",
        "--profile",
        "tiny",
        "--variant",
        "model.blocks_per_level=4",
        "--json",
    )
    assert ended.code == 0, ended.err
    plain, deep = ended.json["step"]["rows"]
    assert (plain["profile"], deep["profile"]) == ("tiny", "tiny model.blocks_per_level=4")
    assert deep["gflop_per_picture"] > plain["gflop_per_picture"]
    assert plain["over_plain_cpu"] == 1 > deep["over_plain_cpu"] > 0


def test_what_it_refuses(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.bench.options.find_spec", lambda name: None)
    (tmp_path / "file").write_text("")
    for arguments, code, said in (
        (("--only", "paking"), 2, "packing"),
        (("--profile", "dem"), 1, "demo"),
        (("--out", str(tmp_path / "file" / "x")), 1, "cannot write"),
        (("--variant", "optim.lr=1e-4"), 2, "use --only step or --only quality"),
        (("--only", "scale", "--variant", "optim.lr=1e-4"), 2, "use --only step or --only quality"),
        (("--only", "quality", "--variant", "optim.rate=1"), 2, "named 'rate'"),
        (("--peers",), 1, "neither diffusers nor denoising-diffusion-pytorch is installed"),
    ):
        ended = cli("bench", *arguments)
        assert ended.code == code
        assert said in ended.error
