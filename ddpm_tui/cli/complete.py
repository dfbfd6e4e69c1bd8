"""Completion of arguments. The shell calls this at every tab, so it lists folders and reads hardly any files."""

import os

import click
from click.shell_completion import CompletionItem

from engine.base.errors import DamagedError, DdpmError, UserError
from engine.base.home import NAME, Home, is_export, shipped_profiles
from engine.base.records import read_object
from engine.base.text import visible


def profiles(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _starting(_profile_names(), incomplete)


def runs(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _starting(_run_names(), incomplete)


def trainable(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the argument of `train`: profiles and runs."""
    return _starting([*_profile_names(), *_run_names()], incomplete)


def references(___: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete RUN, and after the @ its steps and tags."""
    name, at, _ = incomplete.partition("@")
    if not at:
        return _starting(_run_names(), incomplete)
    try:
        run = Home.find().run(name)
    except UserError:
        return []
    try:
        tags = list(read_object(run.tags, "the tags"))
    except DamagedError:
        tags = []
    steps = [str(int(folder)) for folder in _folders(str(run.checkpoints)) if folder.isdigit()]
    known = ["latest", "best", *tags, *steps] if steps else []
    return _starting([f"{name}@{word}" for word in known], incomplete)


def trained(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a model to draw from: references, and folders if a path has been begun."""
    if is_export(incomplete):
        return [CompletionItem(incomplete, type="dir")]
    return references(context, parameter, incomplete)


def jobs(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete ids of the newest jobs, with their titles. Reads their folders, because a tab must not start an
    engine.
    """
    from engine.service.states import job_number

    home, items = Home.find(), []
    ids = sorted((name for name in _folders(str(home.jobs)) if name.isdecimal()), reverse=True)[:200]
    for job_id in (i for i in ids if job_number(i).startswith(incomplete)):
        try:
            note = read_object(home.job(job_id).queue_note, "a note")
            words = f"{note['state']}: {note['kind']} {note['run'] or ''}"
        except (KeyError, DdpmError):
            continue
        items.append(CompletionItem(job_number(job_id), help=visible(words)))
    return items


def datasets(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    home = Home.find()
    named = [
        name
        for name in _folders(str(home.data))
        if NAME.fullmatch(name) and home.source(name).record.exists()
    ]
    return _starting(["faces", *named], incomplete)


def devices(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return _starting(["auto", "cpu", "cuda"], incomplete)


def measures(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the last name of a comma-separated list."""
    from engine.runs.measures import MEASURES

    head, comma, _last = incomplete.rpartition(",")
    taken = head.split(",")
    return _starting(
        [head + comma + name for name in ("default", *MEASURES) if name not in taken], incomplete
    )


def settings(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete section.key= of a profile, and after the = the names that the key allows."""
    from engine.config.problems import named_values
    from engine.config.profile import SECTIONS

    key, given, _value = incomplete.partition("=")
    if given:
        return _starting([f"{key}={word}" for word in named_values(key.split("."))], incomplete)
    keys = [f"{section}.{key}=" for section, model in SECTIONS.items() for key in model.model_fields]
    return _starting(keys, incomplete)


def _profile_names() -> list[str]:
    folders = (shipped_profiles(), Home.find().profiles)
    names = {name for folder in folders for name in _folders(str(folder))}
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def _run_names() -> list[str]:
    return _folders(str(Home.find().runs))


def _folders(path: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(path) if not name.startswith("."))
    except OSError:
        return []


def _starting(names: list[str], incomplete: str) -> list[CompletionItem]:
    """Return the names that can be typed: the shell would write control characters in a name to the terminal."""
    return [CompletionItem(name) for name in names if name.startswith(incomplete) and name == visible(name)]
