"""What the shell is told at a tab."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.runs.checkpoints import set_tag
from tests.ddpm_tui.cli.conftest import Cli
from tests.torchless import trained_run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_name_the_program_and_its_variable(cli: Cli, shell: str) -> None:
    script = cli("completion", shell)
    assert script.code == 0
    assert f"_DDPM_TUI_COMPLETE={shell}_complete" in script.out
    assert "ddpm-tui" in script.out


def test_the_shell_one_is_in(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert cli("completion").out == cli("completion", "zsh").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert "no completion for the shell 'tcsh'" in cli("completion").error


def completed(home: Home, *words: str) -> list[str]:
    """What bash would offer for the last of `words`."""
    done = subprocess.run(
        [sys.executable, "-m", "ddpm_tui.cli.main"],
        env={
            **os.environ,
            "DDPM_HOME": str(home.root),
            "_DDPM_TUI_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["ddpm-tui", *words]),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_names(home: Home, pictures: Path) -> None:
    trained_run(home, "celeba32-1", 2)
    set_tag(home.run("celeba32-1"), "nice", 7)
    add_source(home, pictures, "dots")
    assert completed(home, "tr") == ["train", "trash"]
    assert completed(home, "runs", "re") == ["rename", "restore"]
    assert completed(home, "runs", "show", "ce") == ["celeba32-1"]
    assert completed(home, "sample", "ce") == ["celeba32-1"]
    assert completed(home, "queue", "sample", "./ce") == ["./ce"], "a folder, which bash looks for itself"
    assert {"celeba32", "celeba32-paper", "celeba32-1"} <= set(completed(home, "train", "celeba32"))
    assert "celeba32-1" not in completed(home, "profiles", "show", "celeba32")
    assert completed(home, "sample", "celeba32-1@") == [
        f"celeba32-1@{which}" for which in ("latest", "best", "nice", "7", "14")
    ]
    assert completed(home, "sample", "celeba32-1@n") == ["celeba32-1@nice"]
    assert completed(home, "sample", "nothing@") == []
    assert completed(home, "data", "show", "d") == ["dots"]
    assert completed(home, "train", "demo", "--set", "optim.l") == ["optim.lr=", "optim.lr_steps="]
    assert completed(home, "train", "demo", "--set", "diffusion.schedule=s") == ["diffusion.schedule=sigmoid"]
    assert completed(home, "sample", "celeba32-1", "--sampler", "d") == ["ddpm", "ddim", "dpmpp"]
    assert completed(home, "evaluate", "celeba32-1", "--measures", "val_loss,f") == [
        "val_loss,fid",
        "val_loss,frechet",
    ]
    assert completed(home, "sample", "celeba32-1", "--device", "") == ["auto", "cpu", "cuda"]
    assert completed(home, "queue", "train", "demo", "--device", "c") == ["cpu", "cuda"]
    assert completed(home, "queue", "evaluate", "celeba32-1", "--measures", "kid,k") == []


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert completed(Home(tmp_path / "nowhere"), "runs", "show", "") == []
    assert completed(Home(tmp_path / "nowhere"), "data", "show", "") == ["faces"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_itself(home: Home, tmp_path: Path) -> None:
    """In a real bash, whose readline breaks words at @ and =."""
    trained_run(home, "celeba32-1", 2)
    set_tag(home.run("celeba32-1"), "nice", 7)
    program = tmp_path / "bin" / "ddpm-tui"
    program.parent.mkdir()
    real = f'exec {sys.executable} -m ddpm_tui.cli.main "$@"'
    program.write_text(
        f'#!/bin/sh\ncase "$_DDPM_TUI_COMPLETE$1" in bash_complete|completion) {real};; esac\necho "ran: $*."\n'
    )
    program.chmod(0o755)
    environment = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "DDPM_HOME": str(home.root),
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PS1": "$ ",
        "TERM": "dumb",
        "HOME": str(tmp_path),
        "INPUTRC": "/dev/null",
    }
    shell = pexpect.spawn("bash", ["--norc", "--noprofile"], env=environment, encoding="utf-8", timeout=20)
    shell.sendline(
        "bind 'set enable-bracketed-paste off'; eval \"$(ddpm-tui completion bash)\"; echo rea''dy"
    )
    shell.expect("ready")
    for typed, whole in [
        ("sam\tcel\t\b@ni\t", "sample celeba32-1@nice"),
        ("sample celeba32-1@\t\tn\t", "sample celeba32-1@nice"),
        ("checkpoints show celeba32-1@lat\t", "checkpoints show celeba32-1@latest"),
        ("train demo --set optim.weight\t3", "train demo --set optim.weight_decay=3"),
        ("doc\t", "doctor"),
    ]:
        shell.send(f"true; ddpm-tui {typed}\r")
        shell.expect(r"ran: ([^\r\n]*)\.\r")
        assert shell.match[1].rstrip() == whole
    shell.sendline("exit")
    shell.close()
