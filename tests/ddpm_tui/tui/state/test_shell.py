"""What the screen does as commands: each is one that the command line takes."""

import shlex

import click
import pytest

from ddpm_tui.cli.main import cli as main
from ddpm_tui.tui.state import shell
from engine.service.states import Job

ASKED = [
    ("pause", {"ids": ["000003", "000004"]}, "ddpm-tui queue pause 3 4"),
    ("cancel", {"ids": ["000003"]}, "ddpm-tui queue cancel 3"),
    ("move", {"ids": ["000003"], "where": "000001"}, "ddpm-tui queue move 3 --before 1"),
    ("move", {"ids": ["000003"], "where": "last"}, "ddpm-tui queue move 3 --last"),
    ("hold_queue", {"on": True}, "ddpm-tui queue hold"),
    (
        "train",
        {"target": "demo", "chunks": 2, "new": True, "priority": "now", "token": "x"},
        "ddpm-tui queue train demo --chunks 2 --new --priority now",
    ),
    (
        "add",
        {"kind": "sample", "args": {"checkpoint": "a b@9", "n": 4, "seed": 7, "trajectory": 2}},
        "ddpm-tui queue sample 'a b@9' -n 4 --seed 7 --trajectory-of 2",
    ),
    (
        "add",
        {"kind": "evaluate", "args": {"checkpoint": "a@9", "measures": ["fid", "kid"], "n": 500}},
        "ddpm-tui queue evaluate a@9 --measures fid,kid -n 500",
    ),
]


def parsed(line: str) -> click.Context:
    """The innermost command with its options, parsed and not run. Raises click.UsageError."""
    words = shlex.split(line)[1:]
    context = main.make_context("ddpm-tui", list(words), resilient_parsing=True)
    command: click.Command = main
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, name
        command = found
        context = click.Context(command, parent=context)
    command.parse_args(context, words)
    return context


@pytest.mark.parametrize(("do", "args", "line"), ASKED)
def test_requests_are_commands_that_the_program_takes(do: str, args: dict[str, object], line: str) -> None:
    assert shell.request(do, args) == line
    parsed(line)


def test_the_command_of_a_job() -> None:
    job = Job(
        "000007",
        "sample",
        "a-1",
        args={"checkpoint": "a-1@9", "n": 64, "scale": 1, "eta": 0.5, "clip": False},
    )
    line = shell.job_command(job)
    assert line == "ddpm-tui queue sample a-1@9 -n 64 --eta 0.5 --no-clip"
    parsed(line)
    train = Job("000008", "train", "a-1", args={"to_epoch": 9})
    assert shell.job_command(train) == "ddpm-tui queue train a-1 --to-epoch 9"
