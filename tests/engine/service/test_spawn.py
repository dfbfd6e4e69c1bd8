"""Who keeps the engine: the decision and the exact command, from injected facts. No systemd is run here."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DdpmError, DiskFullError
from engine.base.home import Home
from engine.service import doctor_facts, spawn
from engine.service.doctor_facts import SessionFacts
from engine.service.protocol import encode, error_to_wire

LINGERS = SessionFacts((252, 0), user_manager=True, linger=True, user="ada")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that looks as if a user manager ran on it; its runtime folder."""
    (tmp_path / "run" / "systemd").mkdir(parents=True)
    (tmp_path / "run" / "systemd" / "private").touch()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("DDPM_KEEPER", raising=False)
    monkeypatch.setattr(spawn.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(doctor_facts, "gather", lambda: LINGERS)
    return tmp_path / "run"


def test_a_lingering_manager_is_used(machine: Path) -> None:
    assert spawn.uses_systemd()


@pytest.mark.parametrize(
    ("facts", "used"),
    [
        (SessionFacts(), False),
        (SessionFacts((252, 0), user_manager=False, linger=True), False),
        (SessionFacts((252, 0), user_manager=True, linger=False), False),
        (SessionFacts((254, 9), user_manager=True, linger=True), True),
        (SessionFacts((255, 0), user_manager=True, linger=True), False),
        (SessionFacts((256, 2), user_manager=True, linger=True), False),
        (SessionFacts((256, 3), user_manager=True, linger=True), True),
    ],
)
def test_only_one_that_stays_after_the_last_logout(
    machine: Path, monkeypatch: pytest.MonkeyPatch, facts: SessionFacts, used: bool
) -> None:
    monkeypatch.setattr(doctor_facts, "gather", lambda: facts)
    assert spawn.uses_systemd() is used
    assert doctor_facts.keeper(facts) == ("systemd" if used else "itself")


@pytest.mark.parametrize("lacking", ["the wish", "the program", "the folder", "the manager"])
def test_not_where_something_is_lacking(machine: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    if lacking == "the wish":
        monkeypatch.setenv("DDPM_KEEPER", "itself")
    elif lacking == "the program":
        monkeypatch.setattr(spawn.shutil, "which", lambda name: None)
    elif lacking == "the folder":
        monkeypatch.delenv("XDG_RUNTIME_DIR")
    else:
        (machine / "systemd" / "private").unlink()
    assert not spawn.uses_systemd()


def test_the_exact_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawn, "python_path", lambda: "/code")
    root = Path("/home/ada/a home")
    environment = {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "DDPM_HOME": "/elsewhere", "DDPM_KEEPER": "auto", "LC_ALL": "C",
        "PYTHONPATH": "/old", "SSH_AUTH_SOCK": "/secret", "AWS_SECRET_ACCESS_KEY": "x", "DISPLAY": ":0",
    }  # fmt: skip
    assert spawn.systemd_command(root, environment) == [
        "systemd-run", "--user", "--quiet", "--collect",
        "--unit=ddpm-tui-" + hashlib.sha256(b"/home/ada/a home").hexdigest()[:12],
        "--property=KillMode=process", "--property=Restart=on-failure", "--property=RestartSec=1",
        "--working-directory=/home/ada/a home",
        "--setenv=PATH=/bin", "--setenv=CUDA_VISIBLE_DEVICES=1", "--setenv=DDPM_HOME=/elsewhere",
        "--setenv=DDPM_KEEPER=systemd", "--setenv=LC_ALL=C", "--setenv=PYTHONPATH=/code",
        sys.executable, "-P", "-m", "engine.service", "--foreground", "/home/ada/a home",
    ]  # fmt: skip


@pytest.mark.parametrize(("code", "programs"), [(0, ["systemd-run"]), (1, ["systemd-run", sys.executable])])
def test_where_systemd_refuses_it_starts_itself(
    home: Home, machine: Path, monkeypatch: pytest.MonkeyPatch, code: int, programs: list[str]
) -> None:
    started: list[str] = []

    def run(command: list[str], **options: Any) -> "subprocess.CompletedProcess[bytes]":
        started.append(command[0])
        if command[0] != "systemd-run":
            assert options["start_new_session"]
            assert options["stdin"] == subprocess.DEVNULL
        return subprocess.CompletedProcess(command, code if command[0] == "systemd-run" else 0, b"", b"")

    monkeypatch.setattr(spawn.subprocess, "run", run)
    spawn.start_engine(home)
    assert started == programs


@pytest.mark.parametrize(
    ("said", "words", "code"),
    [
        (
            encode(error_to_wire(DiskFullError("the disk is full", "make room"))),
            "the disk is full — make room",
            73,
        ),
        (b"", "the engine did not start (it cannot) — see ", 1),
    ],
)
def test_an_engine_that_does_not_start_says_why(
    home: Home, monkeypatch: pytest.MonkeyPatch, said: bytes, words: str, code: int
) -> None:
    monkeypatch.setenv("DDPM_KEEPER", "itself")
    done = subprocess.CompletedProcess([], 1, said, b"Traceback\nit cannot\n")
    monkeypatch.setattr(spawn.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(DdpmError) as caught:
        spawn.start_engine(home)
    assert str(caught.value).startswith(words)
    assert caught.value.exit_code == code
