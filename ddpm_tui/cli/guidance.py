"""The options of labels and guidance: the same wherever pictures are drawn."""

from typing import Any, get_args

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.numbers import Real, shortened
from engine.base.errors import UsageError
from engine.base.home import given_path, is_export
from engine.config.names import Weights

MOST_LOG_SNR = 100.0


def guidance_options(command: Any) -> Any:
    """What is asked for and how far pictures are guided; `asked_args` makes a job's args of them."""
    for option in (
        click.option(
            "--guidance-interval",
            metavar="LOW,HIGH",
            callback=_interval,
            help="Guide only at noise of log-SNR from LOW to HIGH, for example -3,2.",
        ),
        click.option(
            "--guide-weights",
            type=click.Choice(get_args(Weights)),
            help="Of the guide. [default: ema]",
        ),
        click.option(
            "--guide",
            metavar="WHICH|RUN@WHICH|DIR",
            callback=_guide,
            shell_complete=complete.trained,
            help="Guide away from a worse network, best an early checkpoint of the same run (e1).",
        ),
        click.option(
            "--guidance",
            type=Real(0, 100),
            metavar="W",
            help="How far to guide; 1 is not at all. [default: 1, with --guide 1.25]",
        ),
        click.option(
            "--group",
            "groups",
            multiple=True,
            metavar="NAME=V,…",
            help="Several labels at once. Repeated, each group gets its own pictures, from the same noise.",
        ),
        click.option(
            "--class",
            "classes",
            multiple=True,
            metavar="NAME",
            help="Pictures of this class. May be repeated.",
        ),
        click.option(
            "--label",
            "labels",
            multiple=True,
            metavar="NAME=V",
            help="What the pictures are to have: 1 present, -1 absent, or in between. May be repeated.",
        ),
    ):
        command = option(command)
    return command


def asked_args(options: dict[str, Any]) -> dict[str, Any]:
    """The options with `labels` as a job's args have them: a text for each group. Raises UsageError."""
    labels, classes, groups = (list(options.pop(name)) for name in ("labels", "classes", "groups"))
    if classes and (labels or groups):
        raise UsageError(
            "--class does not go with --label and --group", "a run has learned classes or attributes"
        )
    wrong = next((label for label in labels if "=" not in label), None)
    if wrong is not None:
        raise UsageError(
            f"--label {shortened(wrong)} has no value", f"for example --label {shortened(wrong)}=1"
        )
    base = ",".join(labels)
    asked = (
        [f"class={name}" for name in classes] or [f"{base},{group}".strip(",") for group in groups] or [base]
    )
    return {**options, "labels": asked if any(asked) else None}


def _guide(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A folder as a worker or the engine, which are in another one, find it too."""
    return str(given_path(value).absolute()) if value and is_export(value) else value


def _interval(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    parts = value.split(",")
    try:
        low, high = map(float, parts)
    except ValueError:
        raise click.BadParameter(f"{shortened(value)!r} is not two numbers such as -3,2") from None
    if not -MOST_LOG_SNR <= low < high <= MOST_LOG_SNR:  # NaN is not within either
        raise click.BadParameter(
            f"{shortened(value)!r} is not two rising numbers from {-MOST_LOG_SNR:g} to {MOST_LOG_SNR:g}"
        )
    return [low, high]
