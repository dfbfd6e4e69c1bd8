"""`ddpm-tui queue …`: adding, seeing, moving and stopping jobs. Every command is one request to the engine."""

import contextlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ddpm_tui.cli.queue_text import details, listing, remark, short
from ddpm_tui.client import Client, NotRunningError, ensure_engine, insistent_request, token
from engine.errors import UsageError
from engine.home import Home

# Completion reads files alone: pressing Tab must not start an engine.


def complete_jobs(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    """Ids of the newest jobs, with what they do."""
    home, items = Home.find(), []
    with contextlib.suppress(OSError):
        ids = sorted((p.name for p in home.jobs.iterdir() if p.name.isdecimal()), reverse=True)[:200]
        for job_id in (i for i in ids if short(i).startswith(typed)):
            with contextlib.suppress(OSError, ValueError, KeyError):
                note = json.loads(home.job(job_id).queue_note.read_bytes())
                items.append(
                    CompletionItem(short(job_id), help=f"{note['state']}: {note['kind']} {note['run'] or ''}")
                )
    return items


def complete_runs(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    from engine.service.runs import names

    return [CompletionItem(name, help="run") for name in names(Home.find()) if name.startswith(typed)]


def complete_profiles(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    from engine.home import shipped_profiles

    found = {
        path.stem for folder in (Home.find().profiles, shipped_profiles()) for path in folder.glob("*.toml")
    }
    return [CompletionItem(name, help="profile") for name in sorted(found) if name.startswith(typed)]


def complete_targets(context: click.Context, parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Runs first: going on is more common than beginning."""
    return [*complete_runs(context, parameter, typed), *complete_profiles(context, parameter, typed)]


def complete_checkpoints(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """RUN, then RUN@latest, RUN@best and RUN@STEP."""
    run, at, _ = typed.partition("@")
    if not at:
        return complete_runs(context, parameter, typed)
    with contextlib.suppress(Exception):
        steps = sorted(int(p.name) for p in Home.find().run(run).checkpoints.iterdir() if p.name.isdecimal())
        names = [f"{run}@{which}" for which in ("latest", "best", *steps)]
        return [CompletionItem(name) for name in names if name.startswith(typed)]
    return []


as_json = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
job_ids = click.argument("ids", nargs=-1, required=True, shell_complete=complete_jobs)


def common_options(command: Any) -> Any:
    """What every job that is added may be given."""
    for option in (
        as_json,
        click.option("--dry-run", is_flag=True, help="Say what would be added, and add nothing."),
        click.option("--device", metavar="auto|cpu|cuda:N", help="Where it runs. [default: auto]"),
        click.option("--priority", type=click.Choice(["normal", "high", "now"]), help="Who goes first."),
        click.option(
            "--after",
            multiple=True,
            metavar="ID",
            shell_complete=complete_jobs,
            help="Only when job ID is done.",
        ),
    ):
        command = option(command)
    return command


@click.group()
def queue() -> None:
    """Jobs in the background: training chunks, sampling; whatever dies, they go on."""


@queue.command()
@click.argument("target", metavar="PROFILE|RUN", shell_complete=complete_targets)
@click.option("--run", metavar="NAME", help="Name of the run. [default: PROFILE-N]")
@click.option("--chunks", type=int, metavar="K", help="Train K chunks more. [default: 1]")
@click.option("--to-epoch", type=int, metavar="N", help="Train to the end of epoch N.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change the profile of a new run."
)
@click.option("--new", is_flag=True, help="A new run even where one of the same profile exists.")
@common_options
def train(
    target: str, overrides: tuple[str, ...], as_json: bool, after: tuple[str, ...], **args: Any
) -> None:
    """Queue training: a new run of a PROFILE, or more of a RUN.

    The target is absolute: "2 chunks" is counted once, from what is already queued, and shown.
    """
    from engine.service.planning import absolute_profile

    _add(
        "train",
        as_json,
        target=absolute_profile(target, str(Path.cwd())),
        set=list(overrides),
        after=list(after),
        **args,
    )


@queue.command()
@click.argument("checkpoint", metavar="RUN[@STEP|@TAG|@latest|@best]", shell_complete=complete_checkpoints)
@click.option("-n", type=int, help="Pictures. [default: 64]")
@click.option("--sampler", type=click.Choice(["ddpm", "ddim", "dpmpp"]))
@click.option("--steps", type=int)
@click.option("--spacing", type=click.Choice(["trailing", "linspace", "leading"]))
@click.option("--eta", type=float)
@click.option("--variance", type=click.Choice(["fixed_small", "fixed_large"]))
@click.option("--clip/--no-clip", default=None, help="Clip the predicted picture at each step.")
@click.option("--weights", type=click.Choice(["ema", "raw"]))
@click.option("--seed", type=int)
@click.option("--batch", type=int, help="Pictures at once. [default: what memory allows]")
@click.option("--grid", type=click.Path(dir_okay=False), help="Also write the grid to this PNG.")
@click.option(
    "--trajectory",
    "trajectory_file",
    type=click.Path(dir_okay=False),
    help="Also write the denoising (PNG, GIF).",
)
@click.option("--keep", "trajectory", type=int, help="Pictures whose denoising is kept. [default: 8]")
@click.option("--out", type=click.Path(file_okay=False), help="Also write each picture to this folder.")
@common_options
def sample(
    as_json: bool,
    dry_run: bool,
    after: tuple[str, ...],
    device: str | None,
    priority: str | None,
    **args: Any,
) -> None:
    """Queue a sample set. It goes before waiting training and between the chunks of a running one
    (--priority now: at its next step)."""
    for key in ("grid", "trajectory_file", "out"):
        if args[key]:
            args[key] = str(Path(args[key]).absolute())
    if args["trajectory"] is None:
        args["trajectory"] = 8
    _add(
        "add",
        as_json,
        kind="sample",
        args=_given(args),
        dry_run=dry_run,
        after=list(after),
        device=device,
        priority=priority,
    )


@queue.command()
@click.argument("checkpoint", metavar="RUN@STEP", shell_complete=complete_checkpoints)
@click.option("-n", type=int, help="Pictures to score.")
@click.option("--seed", type=int)
@common_options
def evaluate(
    as_json: bool,
    dry_run: bool,
    after: tuple[str, ...],
    device: str | None,
    priority: str | None,
    **args: Any,
) -> None:
    """Queue the measures of quality for a checkpoint."""
    _add(
        "add",
        as_json,
        kind="evaluate",
        args=_given(args),
        dry_run=dry_run,
        after=list(after),
        device=device,
        priority=priority,
    )


def _given(args: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in args.items() if value is not None}


def _add(do: str, as_json: bool, **args: Any) -> None:
    # The token makes a request that is sent again, because the engine died under it, find the first one's job.
    answer = insistent_request(Home.find(), do, token=token(), **args)
    if as_json:
        click.echo(json.dumps(answer))
        return
    for line in answer["says"]:
        click.echo(line)
    job = answer["job"]
    if answer["added"]:
        click.echo(f"Queued as job {short(job['id'])}. `queue cancel {short(job['id'])}` takes it back.")
    elif job is None:
        click.echo("Nothing was added (--dry-run).")


@queue.command("list")
@click.option("--all", "everything", is_flag=True, help="Also all that are over.")
@as_json
def list_(everything: bool, as_json: bool) -> None:
    """Jobs in the order in which they start; the last ones that are over first."""
    answer = insistent_request(Home.find(), "list", all=everything)
    if as_json:
        click.echo(json.dumps(answer))
        return
    width = shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else 1000
    click.echo("\n".join(listing(answer, width)))


@queue.command()
@click.argument("job", metavar="ID", shell_complete=complete_jobs)
@as_json
def show(job: str, as_json: bool) -> None:
    """Everything about one job: why it is where it is, its history, the end of its log."""
    answer = insistent_request(Home.find(), "show", id=job)
    click.echo(json.dumps(answer) if as_json else "\n".join(details(answer)))


@queue.command()
@job_ids
@as_json
def pause(ids: tuple[str, ...], as_json: bool) -> None:
    """Take jobs out of the order; a running one checkpoints and frees its device."""
    _change("pause", ids, as_json)


@queue.command()
@click.argument("ids", nargs=-1, shell_complete=complete_jobs)
@as_json
def resume(ids: tuple[str, ...], as_json: bool) -> None:
    """Put paused and held jobs back; without IDs, let a queue on hold go on."""
    _change("resume", ids, as_json) if ids else _hold_queue(False, as_json)


@queue.command()
@click.argument("ids", nargs=-1, shell_complete=complete_jobs)
@as_json
def hold(ids: tuple[str, ...], as_json: bool) -> None:
    """Keep jobs from starting; without IDs, start nothing new at all."""
    _change("hold", ids, as_json) if ids else _hold_queue(True, as_json)


@queue.command()
@job_ids
@click.option("--now", is_flag=True, help="Kill a running one: no checkpoint.")
@as_json
def cancel(ids: tuple[str, ...], now: bool, as_json: bool) -> None:
    """Take jobs off the queue; a running training checkpoints first."""
    _change("cancel", ids, as_json, now=now)


@queue.command()
@job_ids
@as_json
def retry(ids: tuple[str, ...], as_json: bool) -> None:
    """Queue failed and cancelled jobs again, in place."""
    _change("retry", ids, as_json)


@queue.command()
@job_ids
@click.option("--first", is_flag=True)
@click.option("--last", is_flag=True)
@click.option("--before", metavar="ID", shell_complete=complete_jobs)
@as_json
def move(ids: tuple[str, ...], first: bool, last: bool, before: str | None, as_json: bool) -> None:
    """Change the order."""
    if [first, last, before is not None].count(True) != 1:
        raise UsageError("where to?", "give one of --first, --last, --before ID")
    _change("move", ids, as_json, where=before or ("first" if first else "last"))


def _change(do: str, ids: tuple[str, ...], as_json: bool, **args: Any) -> None:
    with ensure_engine(Home.find()) as client:
        answers = client.request(do, ids=list(ids), **args)
    failed = [answer for answer in answers if answer["error"]]
    if as_json:
        click.echo(json.dumps(answers))
    else:
        for answer in answers:
            job = answer["job"]
            if not answer["error"]:
                click.echo(f"{short(job['id'])}  {job['state']}  {job['title']}  {remark(job)}".rstrip())
        for answer in failed:
            click.echo(f"error: {answer['error']}", err=True)
    if failed:
        raise SystemExit(1)


def _hold_queue(on: bool, as_json: bool) -> None:
    with ensure_engine(Home.find()) as client:
        status = client.request("hold_queue", on=on)
    if as_json:
        click.echo(json.dumps(status))
    else:
        click.echo(
            "The queue is on hold: running jobs go on, nothing new starts." if on else "The queue goes on."
        )


@queue.command()
@job_ids
@click.option("--timeout", type=float, metavar="SECONDS", help="Give up after so long (exit code 1).")
@click.option("--quiet", "-q", is_flag=True)
def wait(ids: tuple[str, ...], timeout: float | None, quiet: bool) -> None:
    """Wait until jobs are over. The exit code is the job's; of several, the first that is not 0. A job that is
    held needs you, so waiting for it ends with 1."""
    end = None if timeout is None else time.monotonic() + timeout
    told: dict[str, str] = {}
    while True:
        try:
            with ensure_engine(Home.find()) as client:
                jobs = [client.request("show", id=name) for name in ids]
                client.request("subscribe", topics=["jobs"])
                codes = _wait(client, {job["id"]: job for job in jobs}, end, told, quiet)
        except NotRunningError:
            continue  # it died or was restarted; what we wait for is in its files
        raise SystemExit(next((code for code in codes if code), 0))


def _wait(
    client: Client, jobs: dict[str, dict[str, Any]], end: float | None, told: dict[str, str], quiet: bool
) -> list[int]:
    """Exit codes of `jobs` (by id, in order) once all are over."""
    while True:
        # Asked anew after subscribing: nothing is missed between the two.
        for job_id in jobs:
            jobs[job_id] = client.request("show", id=job_id)
            state = jobs[job_id]["state"]
            if told.get(job_id) != state and not quiet:
                click.echo(
                    f"{short(job_id)}  {state}  {jobs[job_id]['title']}  {remark(jobs[job_id])}".rstrip(),
                    err=True,
                )
            told[job_id] = state
        if all(job["state"] in ("done", "failed", "cancelled", "held") for job in jobs.values()):
            return [_exit_code(job) for job in jobs.values()]
        while True:
            left = 3600.0 if end is None else end - time.monotonic()
            if left <= 0:
                raise SystemExit(1)
            if any(e["event"] != "job" or e["job"]["id"] in jobs for e in client.events(left)):
                break


def _exit_code(job: dict[str, Any]) -> int:
    if job["state"] == "done":
        return 0
    result = job.get("result") or {}
    return int(result.get("exit_code") or 1) if job["state"] == "failed" else 1


@queue.command()
@click.argument("job", metavar="ID", shell_complete=complete_jobs)
@click.option("-f", "--follow", is_flag=True, help="Go on as it grows, until the job is over.")
@click.option("-n", "lines", type=int, default=50, show_default=True, help="Lines from the end.")
def logs(job: str, follow: bool, lines: int) -> None:
    """What a job's worker printed."""
    home = Home.find()
    answer = insistent_request(home, "show", id=job)
    path = Path(answer["log"])
    follow_file(path, lines, (lambda: _is_over(home, answer["id"])) if follow else None)


def _is_over(home: Home, job_id: str) -> bool:
    answer = insistent_request(home, "show", id=job_id)
    return answer["state"] in ("done", "failed", "cancelled", "held", "paused")


def follow_file(path: Path, lines: int, over: Any) -> None:
    """Print the last `lines` of a file; with `over`, go on until it says True and nothing new is there."""
    position = 0
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        content = file.read()
        position = len(content)
        for line in content.decode(errors="replace").splitlines()[-lines:]:
            click.echo(line)
    looked = time.monotonic()
    while over is not None:
        fresh = b""
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            if file.seek(0, 2) < position:
                position = 0  # the log was begun anew
            file.seek(position)
            fresh = file.read()
            position += len(fresh)
        if fresh:
            click.echo(fresh.decode(errors="replace"), nl=False)
        elif time.monotonic() - looked > 1.0:
            if over():
                return
            looked = time.monotonic()
        time.sleep(0.2)
