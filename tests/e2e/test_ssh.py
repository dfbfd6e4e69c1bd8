"""The promise itself: a link that drops in the middle of training loses nothing. A real sshd on loopback."""

import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.base.home import Home
from engine.client.sync import ensure_engine
from engine.jobs.files import is_running, list_job_folders
from engine.runs.metrics import read_metrics
from tests.e2e.tui_home import make_home, stop_engine
from tests.e2e.tui_terminal import PtyApp
from tests.engine.service.support import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


class Door:
    """An sshd of our own: its port, and the command that goes through it."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
            )
        (folder / "authorized_keys").write_bytes((folder / "user.pub").read_bytes())
        (folder / "authorized_keys").chmod(0o600)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPasswordAuthentication no\nUsePAM no\n"
            "StrictModes no\nPermitRootLogin prohibit-password\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.log = folder / "sshd.log"
        self.server = subprocess.Popen([SSHD, "-D", "-f", str(config), "-E", str(self.log)])
        self.options = [
            "-p", str(self.port), "-i", str(folder / "user"), "-o", "StrictHostKeyChecking=no",
            "-o", f"UserKnownHostsFile={folder / 'known'}", "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
        ]  # fmt: skip
        end = time.monotonic() + 60
        while subprocess.run(self.command("true", tty=False), capture_output=True).returncode:
            if time.monotonic() > end:
                raise AssertionError(f"sshd does not answer:\n{self.log.read_text()}")
            time.sleep(0.2)

    def command(self, remote: str, *, tty: bool = True) -> list[str]:
        return ["ssh", *(["-tt"] if tty else ["-n"]), *self.options, f"{getpass.getuser()}@127.0.0.1", remote]

    def cut(self) -> None:
        """Kill the sessions' ends on the far side, as a dropped link does in the end; the door stays open."""
        for pid in subprocess.run(
            ["pgrep", "-P", str(self.server.pid)], capture_output=True, text=True
        ).stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    def close(self) -> None:
        self.cut()
        self.server.terminate()
        self.server.wait(10)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    if not Path(SSHD).exists() or not shutil.which("ssh"):
        if os.environ.get("DDPM_REQUIRE_E2E"):
            pytest.fail("sshd and ssh are not installed, and this test may not be skipped here")
        pytest.skip("sshd or ssh is not installed")
    folder = tmp_path / "ssh"
    folder.mkdir()
    opened = Door(folder)
    yield opened
    opened.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = make_home(tmp_path / "home", chunk=4000, preview=50)
    yield home
    stop_engine(home)


def program(home: Home, *arguments: str) -> str:
    """What runs at the far end: the program, with the environment that ssh does not hand over."""
    settings = {
        "DDPM_HOME": str(home.root),
        "DDPM_KEEPER": "itself",
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }
    given = [f"{key}={value}" for key, value in settings.items()]
    return shlex.join(["env", "-C", str(ROOT), *given, sys.executable, "-m", "ddpm_tui.cli.main", *arguments])


def screens(home: Home) -> list[int]:
    """Processes that draw this home, or wait for one that does."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            drawing = "ddpm_tui.cli.main" in process.cmdline()
            if drawing and process.environ().get("DDPM_HOME") == str(home.root):
                found.append(process.pid)
    return found


def test_a_dropped_link_loses_nothing(home: Home, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    # The engine is started through ssh, by the command line, and must outlive that connection too.
    queued = subprocess.run(
        door.command(program(home, "queue", "train", "tiny"), tty=False),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert queued.returncode == 0, queued.stderr
    monkeypatch.setattr("tests.e2e.tui_terminal.PROGRAM", door.command(program(home)))
    with PtyApp(home.root, size=(100, 30)) as app:
        app.wait("train tiny-1 to epoch 4000", "running", "epoch", timeout=90)
        assert len(screens(home)) == 2, "the screen and its guard"
        door.cut()
        app.ended.wait(60)
        assert app.ended.is_set(), "the connection is gone"
    wait_for(lambda: not screens(home), what="the screen and its guard gone")

    with ensure_engine(home, "test") as client:
        assert [job["state"] for job in client.request("list")["jobs"]] == ["running"]
    metrics = home.run("tiny-1").metrics
    before = len(read_metrics(metrics).train["step"])
    end = time.monotonic() + 60
    while len(read_metrics(metrics).train["step"]) <= before:
        assert time.monotonic() < end, "training goes on while nobody is there"
        time.sleep(0.2)
    assert sum(is_running(folder) for folder in list_job_folders(home)) == 1, "one worker, the same"

    with PtyApp(home.root, size=(100, 30)) as again:
        again.wait("train tiny-1 to epoch 4000", "running", "loss of tiny-1", timeout=60)
        again.press("q", pause=1.0)
        again.ended.wait(60)
    steps = read_metrics(metrics).train["step"]
    assert list(steps) == sorted(set(steps)), "no line twice, none missing"
