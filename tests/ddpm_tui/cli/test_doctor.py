"""`ddpm-tui doctor`: what is judged of GPUs, terminals, disks and profiles."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddpm_tui.cli import doctor
from engine.base.folders import PackedFolder
from engine.base.home import Home
from engine.data import packing
from engine.data.catalog import add_source
from engine.runs.record import freeze
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run

RECENT = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"]

MACHINE: dict[str, Any] = {
    "torch": "2.14.0",
    "python": "3.11",
    "cuda_built": None,
    "cuda_available": False,
    "architectures": [],
    "cores": 2,
    "cpu": "a CPU",
    "cpu_bf16": True,
    "memory": 8 << 30,
    "devices": [],
}


def card(name: str, major: int, minor: int) -> dict[str, Any]:
    return {"device": "cuda:0", "name": name, "memory": 16 << 30, "capability": [major, minor]}


@pytest.mark.parametrize(
    ("name", "capability", "level", "words"),
    [
        ("NVIDIA H100 80GB HBM3", (9, 0), "ok", "bf16"),
        ("NVIDIA GeForce RTX 3090", (8, 6), "ok", "bf16"),
        ("NVIDIA L4", (8, 9), "ok", "bf16"),
        ("Tesla T4", (7, 5), "ok", "fp16 with loss scaling"),
        ("NVIDIA GeForce GTX 1660 Ti", (7, 5), "note", "half precision gives NaN"),
        ("NVIDIA GeForce GTX 1650", (7, 5), "note", "fp32 is used"),
        ("NVIDIA GeForce GTX 1060 6GB", (6, 1), "problem", "no code for it (oldest sm_75)"),
        ("Tesla V100-SXM2", (7, 0), "problem", "no code for it"),
        ("a card of the future", (13, 0), "ok", "bf16"),
    ],
)
def test_gpus_by_architecture_and_by_name(
    name: str, capability: tuple[int, int], level: str, words: str
) -> None:
    finding = doctor.gpu(card(name, *capability), RECENT)
    assert finding.level == level
    assert words in finding.what
    assert (finding.hint != "") is (level == "problem")


@pytest.mark.parametrize(
    ("found", "headers", "level", "words"),
    [
        (True, True, "ok", "can be compiled"),
        (False, True, "note", "no C compiler: networks are not compiled"),
        (False, False, "note", "no C compiler and no Python.h: "),
    ],
)
def test_what_compiling_needs(found: bool, headers: bool, level: str, words: str) -> None:
    finding = doctor.compiler(found, headers)
    assert finding.level == level
    assert words in finding.what


@pytest.mark.parametrize(("major", "asked"), [(8, True), (6, False)])
def test_only_where_a_card_would_compile_is_a_compiler_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, major: int, asked: bool
) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "no-such-compiler"))
    found = doctor.devices({**MACHINE, "devices": [card("a card", major, 0)], "architectures": []})
    assert any("no C compiler" in finding.what for finding in found) is asked


def test_the_oldest_architecture_is_the_lowest_number() -> None:
    finding = doctor.gpu(card("old", 3, 5), ["sm_100", "sm_50", "sm_90"])
    assert "oldest sm_50" in finding.what


@pytest.mark.parametrize(
    ("built", "words"), [(None, "install a torch built for CUDA"), ("13.0", "too old for CUDA 13.0")]
)
def test_a_driver_and_no_gpu(monkeypatch: pytest.MonkeyPatch, built: str | None, words: str) -> None:
    monkeypatch.setattr(os.path, "exists", lambda path: path == "/proc/driver/nvidia/version")
    first = next(doctor.devices({**MACHINE, "cuda_built": built}))
    assert first.level == "warning"
    assert words in first.hint


def test_torch_that_cannot_be_used_is_a_problem(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "torch_facts", lambda: {"error": "libcudart.so: cannot open"})
    ended = cli("doctor")
    assert ended.code == 1
    assert "torch cannot be used: libcudart.so: cannot open" in ended.out


def test_sections_and_json(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "torch_facts", lambda: MACHINE)
    (home.profiles / "paperish.toml").write_text('[diffusion]\nschedule = "linear"\nbeta_scaling = "none"\n')
    ended = cli("doctor")
    assert [line for line in ended.out.splitlines() if not line.startswith(" ")] == [
        "programs", "devices", "terminal", "state", "runs and data", "engine", "profiles",
    ]  # fmt: skip
    assert "no GPU: training runs on the CPU" in ended.out
    assert "a CPU, 2 cores, 8.59 GB, with bf16 instructions" in ended.out
    facts = cli("doctor", "--json").json
    (warning,) = [f for f in facts["profiles"] if f["level"] == "warning"]
    assert warning["what"].startswith("paperish: diffusion")
    assert not any("celeba32-paper" in f["what"] for f in facts["profiles"]), "the paper's are meant so"
    assert ended.code == int(any(f["level"] == "problem" for found in facts.values() for f in found))


def test_a_profile_that_cannot_be_used(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "torch_facts", lambda: MACHINE)
    (home.profiles / "bad.toml").write_text("[data]\nsize = 3\n")
    ended = cli("doctor")
    assert ended.code == 1
    assert "bad.toml:2: data.size" in ended.out
    assert "ddpm-tui profiles edit bad" in ended.out


def test_little_room_is_warned_of(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.base.files.free_bytes", lambda _: 1 << 30)
    assert [f.level for f in doctor.state(home)] == ["ok", "warning"]


def test_a_home_that_cannot_be_written(home: Home) -> None:
    (home.root / "file").touch()
    below = home.root / "file" / "below"
    (finding,) = doctor.state(Home(below))
    assert (finding.level, finding.what) == ("problem", f"cannot write to {below} (Not a directory)")
    assert finding.hint == "set DDPM_HOME to a folder you own, on a disk with room"


def test_the_home_of_somebody_else(home: Home, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "torch_facts", lambda: MACHINE)
    iterdir = Path.iterdir

    def refuse(path: Path) -> Iterator[Path]:
        if path == home.runs:  # root may read everything, so chmod alone would prove nothing
            raise PermissionError(13, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    ended = cli("doctor")
    assert (ended.code, ended.err) == (1, "")
    assert f" problem  {home.runs} cannot be read (permission denied)\n" in ended.out
    assert "set DDPM_HOME to a folder you own" in ended.out
    assert "profiles" in ended.out.splitlines()


def test_what_cannot_be_read_and_what_nobody_uses(home: Home, pictures: Path, tmp_path: Path) -> None:
    run, bad = trained_run(home, "r", 1), trained_run(home, "bad", 1)
    folder = tmp_path / "dots"
    shutil.copytree(pictures, folder)

    def pack(count: int) -> PackedFolder:
        (folder / f"{count:03d}.png").unlink()
        add_source(home, folder, "dots")
        return packing.pack(home, "dots", 8, "whole")

    used, unused, _ = pack(0), pack(1), pack(2)
    freeze(run, data={"folder": used.path.name})
    aside = run.checkpoints / ".00000007.damaged-12345678"
    run.checkpoint(7).path.rename(aside)
    found = list(doctor.runs(home))
    assert [f.hint for f in found] == [f"rm -r {aside} frees it", f"rm -r {unused.path} frees it", ""]
    assert f"a damaged checkpoint of run 'r' was set aside: {aside} (" in found[0].what

    bad.record.write_text("{")
    home.settings.write_text("[queue\n")
    problems = [f for f in doctor.runs(home) if f.level == "problem"]
    assert [f.what.split(":")[0] for f in problems] == ["the record of run 'bad' is not readable JSON"]
    assert "runs delete bad" in problems[0].hint
    assert not any(str(unused.path) in f.what for f in doctor.runs(home)), "the run may be on it"
    assert any(str(home.settings) in f.what for f in doctor.state(home) if f.level == "warning")


def test_the_command_for_ended_jobs_is_said(home: Home) -> None:
    assert not any("when a job ends" in f.what for f in doctor.state(home))
    home.settings.write_text("[queue]\non_end = 'notify-send \"$DDPM_TITLE\"'\n")
    assert 'when a job ends: notify-send "$DDPM_TITLE"' in [f.what for f in doctor.state(home)]


@pytest.mark.slow
def test_on_this_machine(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the real worker asked for torch's facts, from a folder in which the packages are not."""
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "ddpm_tui.cli.main", "doctor", "--json"],
        env={**os.environ, "DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    facts = json.loads(done.stdout)
    assert facts["programs"][1]["what"].startswith("torch ")
    assert facts["devices"]
