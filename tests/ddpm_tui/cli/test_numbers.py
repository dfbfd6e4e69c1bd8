"""Numbers on the command line: every one has two ends, and a wrong one is one short line and exit code 2."""

from collections.abc import Iterator

import click
import pytest

from ddpm_tui.cli.main import cli as program
from ddpm_tui.cli.numbers import Real, Whole
from engine.base.home import Home
from tests.ddpm_tui.cli.conftest import Cli


def _commands(
    group: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from _commands(command, (*words, name))
    else:
        yield words, group


NUMBERS = [
    (words, option)
    for words, command in _commands(program)
    for option in command.params
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
]


def test_there_are_some() -> None:
    assert {
        "-n",
        "--steps",
        "--seed",
        "--batch",
        "--scale",
        "--to-epoch",
        "--chunks",
        "--timeout",
        "--dpi",
    } <= {name for _, option in NUMBERS for name in option.opts}


@pytest.mark.parametrize(
    ("words", "option"), NUMBERS, ids=lambda value: "-".join(getattr(value, "opts", value))
)
def test_every_number_has_two_ends(
    home: Home, cli: Cli, words: tuple[str, ...], option: click.Option
) -> None:
    assert isinstance(option.type, Whole | Real)
    for value in (str(10**30), "-" + str(10**30), "9" * 5000, "1e300", "nan", "inf", "-inf", "", "x"):
        ended = cli(
            *words,
            f"{option.opts[-1]}={value}" if option.opts[-1].startswith("--") else option.opts[-1] + value,
        )
        assert ended.code == 2, (words, value)
        assert len(ended.error) < 300
        assert option.opts[-1] in ended.error


@pytest.mark.parametrize(
    ("kind", "given", "right"),
    [
        (Whole(1, 10), ["1", "10", " 7 "], [1, 10, 7]),
        (Real(0, 1), ["0", "1", "0.5", "1e-300"], [0, 1, 0.5, 1e-300]),
        (Real(0, 9, above=True), ["1e-9", "9"], [1e-9, 9]),
    ],
)
def test_what_lies_between_is_taken(kind: click.ParamType, given: list[str], right: list[float]) -> None:
    assert [kind.convert(value, None, None) for value in given] == right


def test_zero_may_be_left_out_of_a_range() -> None:
    with pytest.raises(click.BadParameter, match="above 0 and up to 9"):
        Real(0, 9, above=True).convert("0", None, None)


@pytest.mark.parametrize("value", ["1,x", "1," * 2000 + "1", "9" * 5000, str(10**30), ""])
def test_lists_of_numbers(home: Home, cli: Cli, value: str) -> None:
    ended = cli("figure", "stages", "r", "--out", "a.png", "--epochs", value)
    assert ended.code == 2
    assert len(ended.error) < 300
