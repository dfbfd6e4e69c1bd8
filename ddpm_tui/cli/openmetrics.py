"""`ddpm-tui engine metrics`: the queue as OpenMetrics text, for node_exporter's textfile collector and the like."""

from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli.common import say_text
from ddpm_tui.cli.queue_status import queue_now
from ddpm_tui.cli.queue_text import told
from engine.base.home import Home
from engine.service.job_states import STATES

_JOB = {
    "progress_ratio": "Share of the job's work that is done.",
    "epoch": "Epochs that the run has trained.",
    "loss": "Training loss of the last steps.",
    "learning_rate": "Learning rate of the last step.",
    "images_per_second": "Pictures per second.",
    "left_seconds": "Estimated time until the job ends.",
    "updated_timestamp_seconds": "When the job said this.",
}


@click.command()
@click.option(
    "--out",
    metavar="FILE.prom",
    type=click.Path(dir_okay=False),
    help="Write it to a file, in one replacement.",
)
def metrics(out: str | None) -> None:
    """Print the queue as OpenMetrics text: the number of jobs in each state, and the progress of each running job.

    Starts no engine. For node_exporter's textfile collector, run it every minute:

    \\b
    ddpm-tui engine metrics --out /var/lib/node_exporter/ddpm_tui.prom
    """
    from engine.base.files import unwritable, write_text
    from engine.base.home import given_path

    text = openmetrics(*queue_now(Home.find()))
    if out is None:
        say_text(text.removesuffix("\n"))
        return
    path = given_path(out)
    try:
        write_text(path, text, durable=False)
        Path(path).chmod(0o644)
    except OSError as error:
        raise unwritable(path, error, "name another file") from None


def openmetrics(jobs: list[dict[str, Any]], on_hold: bool, engine: bool) -> str:
    """The text, with its end mark. engine: whether one answers."""
    lines = _family("engine_up", "Whether the engine answers.", [("", float(engine))])
    lines += _family("queue_on_hold", "Whether the queue is on hold.", [("", float(on_hold))])
    states = [job["state"] for job in jobs]
    counts = [(_labels(state=str(state)), float(states.count(state))) for state in STATES]
    lines += _family("jobs", "Jobs by state.", counts)
    found: dict[str, list[tuple[str, float]]] = {name: [] for name in _JOB}
    for job in jobs:
        progress = told(job.get("progress")) if job["state"] in ("running", "starting") else None
        if progress is None:
            continue
        labels = _labels(job=str(job["id"]), kind=job["kind"], run=job.get("run") or "")
        values = {
            "progress_ratio": progress.done / progress.total if progress.total else None,
            "epoch": progress.epoch,
            "loss": progress.loss,
            "learning_rate": progress.lr,
            "images_per_second": progress.images_per_s,
            "left_seconds": progress.eta_s,
            "updated_timestamp_seconds": progress.time,
        }
        for name, value in values.items():
            if value is not None:
                found[name].append((labels, float(value)))
    for name, samples in found.items():
        lines += _family(f"job_{name}", _JOB[name], samples)
    return "\n".join([*lines, "# EOF"]) + "\n"


def _family(name: str, words: str, samples: list[tuple[str, float]]) -> list[str]:
    whole = f"ddpm_tui_{name}"
    if not samples:
        return []
    head = [f"# TYPE {whole} gauge", f"# HELP {whole} {words}"]
    return [*head, *(f"{whole}{labels} {value!r}" for labels, value in samples)]


def _labels(**labels: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
