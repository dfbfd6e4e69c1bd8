"""A job in the foreground: progress, every ending, every signal, by real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.base.home import Home
from tests.engine.service.support import wait_for
from tests.torchless import trained_run

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).with_name("scripted_worker.py")


def start(home: Home, act: str, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "DDPM_HOME": str(home.root),
        "DDPM_ACT": act,
        "DDPM_WORKER_COMMAND": json.dumps([sys.executable, str(SCRIPT)]),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        **variables,
    }
    command = [sys.executable, "-m", "ddpm_tui.cli.main", "train", "r", "--to-epoch", "9", *arguments]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def wait_for_worker(home: Home) -> Path:
    """The job's folder, once its worker listens."""
    return wait_for(lambda: next((p for p in home.jobs.iterdir() if (p / "progress.json").exists()), None))


def wait_until_heard(job: Path, *names: str) -> None:
    """Until the worker has got exactly these signals, in this order."""
    heard = job / "heard"
    wait_for(lambda: heard.exists() and heard.read_text().split() == list(names), what=f"{names} are heard")


@pytest.fixture
def run_home(home: Home) -> Home:
    trained_run(home, "r", 1)
    return home


def test_done(run_home: Home) -> None:
    code, out, err = ended(start(run_home, "done"))
    assert code == 0
    assert out.splitlines() == ["epoch 1: train 0.5"], (
        "what libraries print stays in the log, the end is said once"
    )
    assert err.splitlines() == [
        "run 'r' continues from epoch 1",
        "all of it is done; draw from it: ddpm-tui sample r@latest --show",
    ]


def test_json_is_lines_with_the_result_last(run_home: Home) -> None:
    code, out, err = ended(start(run_home, "done", "--json"))
    assert (code, err) == (0, "")
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["event"] == "result"
    assert events[-1]["outcome"] == "done"
    assert {"event": "log", "text": "epoch 1: train 0.5"} in events


@pytest.mark.parametrize(
    ("act", "expected", "line"),
    [
        ("failed", 1, "error: the disk is on fire — call the fire brigade"),
        ("full", 73, "error: no room to write it — free some space"),
    ],
)
def test_failures_are_one_line(run_home: Home, act: str, expected: int, line: str) -> None:
    code, out, err = ended(start(run_home, act))
    assert code == expected
    assert err.splitlines()[-1] == line
    assert "fire" not in out


def test_a_killed_worker_shows_its_last_words_and_how_to_go_on(run_home: Home) -> None:
    code, _, err = ended(start(run_home, "crash"))
    assert code == 1
    assert "  Traceback: the last words" in err.splitlines()
    assert "was killed by SIGKILL, which the system sends when memory runs out" in err
    assert err.splitlines()[-1].endswith("ddpm-tui train r --to-epoch 9")


def test_a_worker_that_says_nothing(run_home: Home) -> None:
    code, _, err = ended(start(run_home, "silent"))
    assert code == 1
    assert "ended with code 3 without a message" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_is_passed_on_once(run_home: Home, number: int) -> None:
    process = start(run_home, "stops")
    job = wait_for_worker(run_home)
    process.send_signal(number)
    code, out, err = ended(process)
    assert code == 75
    assert (job / "heard").read_text().split() == [signal.Signals(number).name]
    assert err.splitlines()[-1] == "stopped at step 5 — go on with: ddpm-tui train it"
    assert ("press Ctrl-C again to stop at once" in out) is (number == signal.SIGINT)


def test_ctrl_c_reaches_the_parent_only(run_home: Home) -> None:
    """A terminal sends Ctrl-C to the whole foreground group; the worker is in a session of its own."""
    process = start(run_home, "stops")
    job = wait_for_worker(run_home)
    assert int((job / "session").read_text()) != os.getsid(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    assert ended(process)[0] == 75
    assert (job / "heard").read_text().split() == ["SIGINT"]


def test_a_second_ctrl_c_quits_at_once(run_home: Home) -> None:
    process = start(run_home, "waits")
    job = wait_for_worker(run_home)
    process.send_signal(signal.SIGINT)
    wait_until_heard(job, "SIGINT")
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    assert code == 130
    assert (job / "heard").read_text().split() == ["SIGINT", "SIGINT"]
    assert "stopped at once: the work since the last checkpoint is lost" in err


def test_being_told_twice_to_stop_is_told_once(run_home: Home) -> None:
    process = start(run_home, "waits")
    job = wait_for_worker(run_home)
    process.send_signal(signal.SIGTERM)
    wait_until_heard(job, "SIGTERM")
    for number in (signal.SIGTERM, signal.SIGHUP):
        process.send_signal(number)
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    wait_until_heard(job, "SIGTERM", "SIGINT")
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert (job / "heard").read_text().split() == ["SIGTERM", "SIGINT", "SIGINT"]


def test_a_deaf_worker_is_killed_after_the_second(run_home: Home) -> None:
    process = start(run_home, "deaf")
    job = wait_for_worker(run_home)
    for count in (1, 2):
        process.send_signal(signal.SIGINT)
        wait_until_heard(job, *["SIGINT"] * count)
    process.send_signal(signal.SIGINT)  # spares the patience
    code, _, err = ended(process)
    assert code == 130
    assert "stopped at once" in err
    assert (job / "heard").read_text().split() == ["SIGINT", "SIGINT"]


def test_hanging_up_checkpoints_and_prints_nothing_more(run_home: Home) -> None:
    process = start(run_home, "stops")
    job = wait_for_worker(run_home)
    process.send_signal(signal.SIGHUP)
    code, out, err = ended(process)
    assert code == 75
    assert (job / "heard").read_text().split() == ["SIGTERM"]
    assert "stopped at" not in out + err
    assert json.loads((job / "result.json").read_text())["outcome"] == "stopped"


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_goes_away_stops_the_worker_at_its_checkpoint(
    run_home: Home, arguments: list[str]
) -> None:
    """`ddpm-tui train … | head -1`: else the worker would train on with nobody watching it."""
    process = start(run_home, "stops", *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read().splitlines()
    assert process.wait(60) == 75
    assert said[-1] == (
        "the output cannot be written (Broken pipe): stopped at step 5 — go on with: ddpm-tui train it"
    )
    job = wait_for_worker(run_home)
    assert (job / "heard").read_text().split() == ["SIGTERM"]


@pytest.mark.parametrize(("act", "expected"), [("fills", 73), ("breaks", 1)])
def test_what_goes_wrong_while_stopping_is_not_called_stopped(
    run_home: Home, act: str, expected: int
) -> None:
    process = start(run_home, act)
    wait_for_worker(run_home)
    process.send_signal(signal.SIGTERM)
    code, _, err = ended(process)
    assert code == expected
    assert err.splitlines()[-1] == "error: no room for the last checkpoint — free some space"


def test_nohup_is_respected(run_home: Home) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(run_home, "stops")
    finally:
        signal.signal(signal.SIGHUP, before)
    job = wait_for_worker(run_home)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert process.poll() is None
    assert not (job / "heard").exists()
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 75


def test_each_command_has_a_job_folder_of_its_own(run_home: Home) -> None:
    for _ in range(2):
        assert ended(start(run_home, "done"))[0] == 0
    jobs = sorted(path.name for path in run_home.jobs.iterdir())
    assert jobs == ["000001", "000002"]
    spec = json.loads((run_home.jobs / "000002" / "spec.json").read_text())
    assert (spec["kind"], spec["run"], spec["foreground"], spec["args"]) == (
        "train",
        "r",
        True,
        {"to_epoch": 9, "from_epoch": 1.0},
    )
