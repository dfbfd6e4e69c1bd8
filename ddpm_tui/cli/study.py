"""`ddpm-tui study …`: experiments as files. Run them in the foreground or in the queue, and report the results."""

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ddpm_tui.cli.common import (
    device_option,
    home,
    json_option,
    note,
    print_facts,
    print_json,
    print_table,
    say,
)
from ddpm_tui.cli.lazy import NounGroup
from ddpm_tui.words import plural
from engine.base.errors import DdpmError
from engine.base.home import given_path
from engine.base.text import shell_line

if TYPE_CHECKING:
    from engine.base.files import FileLock
    from engine.studies.plan import StudyStep
    from engine.studies.spec import Study


def complete_studies(_: click.Context, __: click.Parameter, typed: str) -> list[CompletionItem]:
    with contextlib.suppress(Exception):
        from engine.studies.spec import study_paths

        return [CompletionItem(name) for name in study_paths(home()) if name.startswith(typed)]
    return []


study_argument = click.argument("name", metavar="STUDY", shell_complete=complete_studies)
small_option = click.option("--small", is_flag=True, help="The version for two CPU cores, on built-in faces.")


@click.group(cls=NounGroup)
def study() -> None:
    """Experiments as files: a base profile, variants, seeds, a budget, and a report."""


@study.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List studies, included and yours ($DDPM_HOME/studies/*.toml), with their progress."""
    from engine.studies.plan import steps
    from engine.studies.spec import load_study, study_paths

    found: list[dict[str, Any]] = []
    broken = []
    for name in study_paths(home()):
        try:
            one = load_study(home(), name)
            done = {size: _done(steps(home(), one, size == "small")) for size in ("full", "small")}
            found.append({"name": name, "title": one.title, "variants": list(one.names), **done})
        except DdpmError as error:
            broken.append((name, str(error)))
    if as_json:
        print_json(found)
    else:
        rows = [(s["name"], s["title"], str(len(s["variants"])), s["full"], s["small"]) for s in found]
        print_table(["STUDY", "WHAT", "VARIANTS", "DONE", "SMALL"], rows)
    for name, why in broken:
        note(f"{name}: {why}")


def _done(all_steps: "list[StudyStep]") -> str:
    return f"{sum(s.done for s in all_steps)}/{len(all_steps)}"


@study.command()
@study_argument
@small_option
@json_option
def show(name: str, small: bool, as_json: bool) -> None:
    """Show the variants of a study and its jobs."""
    from engine.studies.plan import steps
    from engine.studies.spec import load_study

    one = load_study(home(), name)
    found = steps(home(), one, small)
    if as_json:
        jobs = [{"kind": s.kind, "run": s.run, "args": s.args, "done": s.done} for s in found]
        print_json({**one.model_dump(), "plan": one.plan(small).model_dump(), "jobs": jobs})
        return
    plan = one.plan(small)
    print_facts(
        [
            ("study", f"{one.title}: {one.question}"),
            ("base", " ".join([plan.base, *plan.set])),
            ("budget", f"{plural(plan.epochs, 'epoch')}, seeds {' '.join(map(str, plan.seeds))}"),
            ("variants", ", ".join(one.names)),
            ("file", one.source),
        ]
    )
    print_table(
        ["JOB", "RUN", "WHAT", "DONE"], [(s.kind, s.run, _what(s), "yes" if s.done else "") for s in found]
    )


def _what(step: "StudyStep") -> str:
    if step.kind == "train":
        branch = f", branched at {step.branch_epoch}" if step.branch_of else ""
        return f"to epoch {step.epoch}{branch}"
    drawn = " ".join(str(step.args[k]) for k in ("sampler", "steps", "spacing") if k in step.args)
    what = plural(step.args["n"], "picture") if step.kind == "sample" else ", ".join(step.args["measures"])
    return f"{what}{f' ({drawn})' if drawn else ''}"


@study.command()
@study_argument
@small_option
@click.option(
    "--foreground", is_flag=True, help="Run the jobs one after another in the foreground, not in the queue."
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@device_option
def run(name: str, small: bool, foreground: bool, dry_run: bool, device: str) -> None:
    """Run a study: finished jobs are kept, missing ones are run. Safe to repeat.

    Its runs are ordinary ones, named STUDY.VARIANT.sSEED. In the foreground, Ctrl-C checkpoints, and the same command
    continues from there.
    """
    from engine.runs.evaluations import check_measures
    from engine.studies.plan import check_settings, steps
    from engine.studies.spec import load_study

    one = load_study(home(), name)
    check_settings(home(), one, small)
    if one.plan(small).measures:  # a missing package is reported before the training, not after it
        check_measures(one.plan(small).measures, None)
    found = steps(home(), one, small)
    left = [step for step in found if not step.done]
    note(f"{one.title}: {len(found) - len(left)} of {len(found)} jobs are done")
    if dry_run:
        for step in left:
            say(f"{step.kind} {step.run}: {_what(step)}")
        return
    if left:
        with _alone(one, small):
            (_here if foreground else _queue)(one, small, device)
    if foreground or not left:
        note(f"the report: ddpm-tui study report {name}{' --small' if small else ''}")


def _alone(one: "Study", small: bool) -> "FileLock":
    """Return a lock: two commands that plan the same study at once would both do the same jobs."""
    from engine.base.files import FileLock

    lock = FileLock.acquire(
        home().create().studies / f".{one.key(small)}.lock",
        f"study {one.name!r}",
        "it runs all remaining jobs; wait for it, or stop it",
    )
    lock.describe(f"`study run` (pid {os.getpid()})")
    return lock


def _here(one: "Study", small: bool, device: str) -> None:
    from ddpm_tui.cli.foreground import run_job
    from engine.service.machine import require_device
    from engine.studies.plan import prepare, steps

    go_on = f"ddpm-tui study run {one.name}{' --small' if small else ''} --foreground"
    total, number = len(steps(home(), one, small)), 0
    # Plan again for each job, so that it finds the results of the one before.
    while number < total:
        step = steps(home(), one, small)[number]
        number += 1
        if step.done:
            continue
        require_device(device)
        note(f"[{number}/{total}] {step.kind} {step.run}: {_what(step)}")
        prepare(home(), one, small, step)
        result = run_job(home(), step.kind, step.run, step.args, device=device, go_on=go_on)
        note(result.message)


def _queue(one: "Study", small: bool, device: str) -> None:
    """Queue each job once. An evaluation waits for its training, and a branch for that of its base."""
    from ddpm_tui.cli.connection import insistent_request
    from engine.service.states import ENDED
    from engine.studies.plan import prepare, steps

    # List the queue before the finished work: a job that ends in between is then found in one of the two.
    jobs = insistent_request(home(), "list", all=True)["jobs"]
    waiting = [job for job in jobs if job["state"] not in ENDED]
    trained_by = {job["run"]: job["id"] for job in waiting if job["kind"] == "train"}
    added = 0
    for step in steps(home(), one, small):
        if step.done or any(_same(job, step) for job in waiting):
            continue
        prepare(home(), one, small, step)
        common = {
            "token": _token(one, small, step, jobs),
            "device": device,
            "after": [trained_by[run] for run in (step.run, step.branch_of) if run in trained_by],
        }
        if step.kind == "train":
            wish = {"to_epoch": step.epoch, "branch": step.args.get("branch")}
            answer = insistent_request(home(), "train", target=step.run, **wish, **common)
            trained_by[step.run] = answer["job"]["id"]
        else:
            answer = insistent_request(home(), "add", kind=step.kind, run=step.run, args=step.args, **common)
        added += answer["added"]
        for line in answer["says"]:
            say(line)
    note(f"{plural(added, 'job')} added; `ddpm-tui queue list` shows them")


def _token(one: "Study", small: bool, step: "StudyStep", jobs: list[dict[str, Any]]) -> str:
    """Return a token for a job. The same job has the same token, so that a request that was under way when the
    command was killed adds it only once. If its job has ended without success, the token changes.
    """
    import hashlib

    facts = [step.kind, step.run, _without_place(step.args)]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    stem = f"study {one.key(small)} {digest} "
    return stem + str(sum((job.get("token") or "").startswith(stem) for job in jobs))


def _without_place(args: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without the checkpoint, which is an epoch until it exists, and then a step."""
    return {key: value for key, value in args.items() if key != "checkpoint"}


def _same(job: dict[str, Any], step: "StudyStep") -> bool:
    wanted = {"to_epoch": step.epoch} if step.kind == "train" else _without_place(step.args)
    found = job.get("args", {})
    return (job.get("kind"), job.get("run")) == (step.kind, step.run) and all(
        found.get(key) == value for key, value in wanted.items()
    )


@study.command()
@study_argument
@small_option
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False), help="[default: in $DDPM_HOME/studies]"
)
@json_option
def report(name: str, small: bool, out: str | None, as_json: bool) -> None:
    """Write a self-contained folder: table (Markdown, CSV, JSON), curves, and a sheet of faces.

    It can also be written before all runs have ended; it then lists the missing ones.
    """
    from engine.studies.report import spread, write_report
    from engine.studies.spec import load_study

    one = load_study(home(), name)
    folder = given_path(out) if out is not None else home().studies / one.key(small) / "report"
    made = write_report(home(), one, small, folder, shell_line("ddpm-tui", *sys.argv[1:]))
    if as_json:
        figures = {o.variant: o.figures for o in made.outcomes}
        print_json({"folder": str(folder), "variants": figures, "missing": made.missing})
        return
    columns = list(dict.fromkeys(c for o in made.outcomes for c in o.figures))
    print_table(
        ["VARIANT", *columns],
        [(o.variant, *(spread(o.figures.get(c, [])) for c in columns)) for o in made.outcomes],
    )
    for line in made.missing:
        note(f"missing: {line}")
    say(str(folder))
