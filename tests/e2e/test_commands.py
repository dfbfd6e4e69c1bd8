"""The command line as a person types it, with the shipped worker: data, train, stop, go on, sample, branch, export."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pexpect
import pytest
from PIL import Image

from engine.base.files import is_locked
from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.config.store import build_profile, save_profile, to_toml
from engine.runs.checkpoints import list_checkpoints, verify
from engine.runs.metrics import read_metrics
from tests import forked
from tests.engine.service.support import wait_for
from tests.tiny import TINY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Home:
    """A home with the data set `dots`, the profile `tiny`, and a run of it that is trained."""
    home = Home(tmp_path_factory.mktemp("e2e") / "home").create()
    save_profile(home, "tiny", to_toml(build_profile(TINY, "tiny")))
    assert (
        ended(home, "data", "add", str(pictures), "--name", "dots", "--size", "16", "--recipe", "whole")[0]
        == 0
    )
    process = start(home, "train", "tiny")
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert "new run 'tiny-1'" in err
    assert "epoch 4: train" in out
    return home


def start(home: Home, *arguments: str, cwd: Path | None = None, **variables: str) -> "subprocess.Popen[str]":
    there = {"DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-m", "ddpm_tui.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, **there, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(home: Home, *arguments: str, cwd: Path | None = None, **variables: str) -> tuple[int, str, str]:
    """How the command ended, and what it said. Its worker is a forked one, but for those of `start` alone."""
    process = start(home, *arguments, cwd=cwd, **forked.variables(), **variables)
    out, err = process.communicate(timeout=180)
    return process.returncode, out, err


def test_a_trained_run_is_whole(home: Home) -> None:
    run = home.run("tiny-1")
    # Chunks end at 2 and 4; epoch 1 is in keep_epochs.
    assert [(c.whole().epoch, c.whole().chunk_end) for c in list_checkpoints(run)] == [
        (1, False),
        (2, True),
        (4, True),
    ]
    assert all(verify(c.folder) is None for c in list_checkpoints(run))
    assert read_metrics(run.metrics).epochs["epoch"].tolist() == [1, 2, 3, 4]


def test_asked_again_there_is_nothing_to_do(home: Home) -> None:
    code, out, err = ended(home, "train", "tiny-1")
    assert (code, out) == (0, "")
    assert "`ddpm-tui train tiny-1 --chunks 1` continues" in err


def test_samples_in_every_form(home: Home, tmp_path: Path) -> None:
    """The same seed gives the same pictures, whatever the batch; each file is what it says."""
    files = {"grid": "g.png", "npy": "a.npy", "trajectory": "t.gif"}
    options = [part for key, name in files.items() for part in (f"--{key}", str(tmp_path / name))]
    common = ("sample", "tiny-1@best", "-n", "5", "--steps", "4", "--seed", "3")
    code, out, err = ended(home, *common, *options, "--out", str(tmp_path / "out"), "--show", "--scale", "2")
    assert code == 0, err
    assert "5 pictures in" in out
    assert str(tmp_path / "g.png") in out
    pictures = np.load(tmp_path / "a.npy")
    assert (pictures.shape, pictures.dtype) == ((5, 16, 16, 3), np.uint8)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *(f"{i:05d}.png" for i in range(5)),
        "sample.json",
    ]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "00004.png")), pictures[4])
    film = Image.open(tmp_path / "t.gif")
    assert film.n_frames == 5, "noise and four steps"
    code, out, _ = ended(home, *common, "--batch", "2", "--trajectory-of", "0", "--json")
    facts = json.loads(out)
    again = np.load(Path(facts["folder"]) / "pictures.npy")
    assert np.abs(again.astype(int) - pictures).max() <= 1
    assert not (Path(facts["folder"]) / "trajectory.npy").exists()
    record = json.loads((Path(facts["folder"]) / "sample.json").read_text())
    assert (record["seed"], record["steps"], record["weights"]) == (3, 4, "ema")


def test_ctrl_c_and_going_on(home: Home) -> None:
    """The first Ctrl-C ends in the middle of an epoch with a checkpoint; the same command goes on from there."""
    process = start(home, "train", "tiny", "--run", "stopped", "--to-epoch", "40000")
    run = home.run("stopped")
    wait_for(lambda: run.metrics.exists() and read_metrics(run.metrics).train["step"].size > 3)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75
    assert err.splitlines()[-1].startswith("stopped by SIGINT at step ")
    assert "ddpm-tui train stopped --to-epoch 40000" in err
    stopped = list_checkpoints(run)[-1].whole()
    assert verify(list_checkpoints(run)[-1].folder) is None
    code, out, err = ended(home, "train", "stopped", "--to-epoch", str(stopped.epoch + 2), "--json")
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert any(f"resumed from checkpoint {stopped.step}" in e.get("text", "") for e in events)
    assert (events[-1]["event"], events[-1]["epoch"]) == ("result", stopped.epoch + 2)
    steps = read_metrics(run.metrics).train["step"].tolist()
    assert steps == sorted(set(steps)), "no line twice"


def test_a_branch_trains_on(home: Home) -> None:
    assert ended(home, "runs", "branch", "tiny-1@e2", "--set", "optim.lr=1e-6", "--name", "slow")[0] == 0
    code, _, err = ended(home, "train", "slow", "--chunks", "1")
    assert code == 0, err
    metrics = read_metrics(home.run("slow").metrics)
    assert metrics.epochs["epoch"].tolist() == [1, 2, 3, 4]
    assert metrics.epochs["lr"][-1] <= 1e-6 < metrics.epochs["lr"][1]
    assert [c.whole().epoch for c in list_checkpoints(home.run("slow"))] == [2, 4]


def test_weights_of_another_architecture(home: Home, tmp_path: Path) -> None:
    """A run whose record was changed, or whose checkpoint came from elsewhere."""
    assert ended(home, "runs", "branch", "tiny-1@e2", "--name", "changed")[0] == 0
    record = home.run("changed").record
    data = json.loads(record.read_text())
    data["profile"]["model"]["width"] = 16
    write_sealed(record, data)
    for arguments in (["sample", "changed"], ["train", "changed", "--to-epoch", "3"]):
        code, _, err = ended(home, *arguments)
        assert code == 1
        assert err.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in err
        assert "architecture" in err or "shape" in err or "made for" in err


def test_a_damaged_newest_checkpoint_is_passed_over_aloud(home: Home) -> None:
    assert ended(home, "runs", "branch", "tiny-1@e2", "--name", "hurt")[0] == 0
    assert ended(home, "train", "hurt", "--to-epoch", "3")[0] == 0
    newest = list_checkpoints(home.run("hurt"))[-1]
    newest.folder.model.write_bytes(newest.folder.model.read_bytes()[:100])
    code, out, _ = ended(home, "train", "hurt", "--to-epoch", "4")
    assert code == 0
    assert f"checkpoint {newest.step} is damaged and is skipped" in out
    assert "resumed from checkpoint 14" in out


def test_a_full_disk_is_one_line_and_keeps_what_was_saved(home: Home) -> None:
    assert ended(home, "runs", "branch", "tiny-1@e2", "--name", "full")[0] == 0
    code, _, err = ended(
        home, "train", "full", "--to-epoch", "4", DDPM_FAILPOINTS="checkpoint.files_written=enospc"
    )
    assert code == 73
    assert err.splitlines()[-1].startswith("error: no room to write")
    assert [c.whole().epoch for c in list_checkpoints(home.run("full"))] == [2]


def test_a_second_process_on_the_same_run(home: Home) -> None:
    process = start(home, "train", "tiny", "--run", "busy", "--to-epoch", "40000")
    run = home.run("busy")
    wait_for(run.metrics.exists)
    code, out, err = ended(home, "train", "busy")
    assert (code, out) == (1, "")
    assert err.startswith("error: run 'busy' is being trained by job ")
    assert ended(home, "runs", "delete", "busy")[0] == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 75


def test_estimate(home: Home) -> None:
    code, out, err = ended(home, "profiles", "estimate", "tiny")
    assert code == 0, err
    for name in ("parameters", "forward pass", "activations", "a checkpoint", "speed", "an epoch", "the run"):
        assert f"\n{name}" in f"\n{out}"
    assert re.search(r"in less memory +micro_batch = 2: [\d.]+ \w+ of activations at \d+% of the speed", out)
    assert "activation_checkpointing = true: " in out
    facts = json.loads(ended(home, "profiles", "estimate", "tiny", "--no-measure", "--json")[1])
    assert facts["train_pictures"] == 60 or facts["train_pictures"] > 50
    assert "images_per_s" not in facts


def test_an_export_holds_the_weights_that_are_drawn_from(home: Home, tmp_path: Path) -> None:
    assert ended(home, "checkpoints", "export", "tiny-1@best", str(tmp_path / "x"))[0] == 0
    from safetensors.numpy import load_file

    from engine.runs.checkpoints import resolve

    weights = load_file(tmp_path / "x" / "model.safetensors")
    there = load_file(resolve(home, "tiny-1@best")[1].folder.ema)
    assert weights.keys() == there.keys()
    assert all(np.array_equal(weights[name], there[name]) for name in weights)


def test_the_demo_stops_goes_on_and_is_done(home: Home, tmp_path: Path) -> None:
    """A smaller demo of the user's own hides the shipped one; the commands are the same."""
    small = {**TINY, "data": {"dataset": "faces", "size": 16, "limit": 120}}
    save_profile(
        home, "demo", to_toml(build_profile({**small, "training": {**TINY["training"], "epochs": 6000}}, ""))
    )
    process = start(home, "demo", cwd=tmp_path)
    run = home.run("demo")
    wait_for(lambda: len(list(run.previews.glob("*.png"))) > 1, timeout=120)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 75
    assert "go on with" in err
    assert not (tmp_path / "demo-faces.png").exists()
    assert sum(len(line) >= 16 and not line[0].isalpha() for line in out.splitlines()) >= 8, "a row of faces"

    record = json.loads(run.record.read_text())
    stopped = list_checkpoints(run)[-1].whole().epoch
    record["profile"]["training"]["epochs"] = stopped + 1
    write_sealed(run.record, record)
    save_profile(home, "demo", to_toml(build_profile(record["profile"], "")))
    code, out, err = ended(home, "demo", cwd=tmp_path)
    assert code == 0, err
    assert f"new faces: {tmp_path / 'demo-faces.png'}" in out
    assert Image.open(tmp_path / "demo-faces.png").width > 4 * 4 * 16

    (tmp_path / "demo-faces.png").unlink()
    code, out, err = ended(home, "demo", cwd=tmp_path)
    assert code == 0
    assert "the demo is already trained" in err
    assert (tmp_path / "demo-faces.png").exists()


def test_ctrl_c_typed_at_a_terminal(home: Home) -> None:
    """The key itself: the terminal makes it a signal to the foreground group, and the bar gives the line back."""
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "ddpm_tui.cli.main", "train", "tiny", "--run", "typed", "--to-epoch", "40000"],
        env={**os.environ, "DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[2])}
        | {"TERM": "xterm-256color"},
        encoding="utf-8", timeout=120, dimensions=(24, 100),
    )  # fmt: skip
    terminal.expect("new run 'typed'")
    terminal.expect("images/s")
    terminal.sendcontrol("c")
    terminal.expect("stopping at the next safe point; press Ctrl-C again to stop at once")
    terminal.expect(r"stopped by SIGINT at step [\d,]+, epoch [\d.]+ of 40000")
    terminal.expect("go on with: ddpm-tui train typed --to-epoch 40000")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert (terminal.exitstatus, terminal.signalstatus) == (75, None)
    assert "Traceback" not in terminal.before
    newest = list_checkpoints(home.run("typed"))[-1]
    assert verify(newest.folder) is None
    assert newest.whole().step > 0


def test_ctrl_c_typed_twice_quits_at_once(home: Home) -> None:
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "ddpm_tui.cli.main", "train", "tiny", "--run", "twice", "--to-epoch", "40000"],
        env={**os.environ, "DDPM_HOME": str(home.root), "PYTHONPATH": str(Path(__file__).parents[2])}
        | {"TERM": "xterm-256color"},
        encoding="utf-8", timeout=120, dimensions=(24, 100),
    )  # fmt: skip
    terminal.expect("images/s")
    terminal.send("\x03\x03")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus in (75, 130)
    assert is_locked(home.run("twice").lock) is False
    assert all(verify(c.folder) is None for c in list_checkpoints(home.run("twice")))
