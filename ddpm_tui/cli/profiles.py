"""`ddpm-tui profiles`: list, show, create, edit, delete, check, compare and estimate profiles."""

import sys
from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli import complete
from ddpm_tui.cli.common import (
    device_option,
    each,
    home,
    json_option,
    note,
    print_json,
    print_table,
    say,
    say_text,
    set_option,
)
from ddpm_tui.cli.lazy import NounGroup
from engine.base.errors import DdpmError, UserError

ORIGINS = {"user": "yours", "shipped": "shipped"}


@click.group(cls=NounGroup)
def profiles() -> None:
    """Profiles: the settings of runs.

    These are included profiles and your own in $DDPM_HOME/profiles, which take precedence over included ones of the
    same name. Every command that takes a profile also accepts a path to a .toml file.
    """


@profiles.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List all profiles with their data and size."""
    from engine.config.store import list_profiles, load_profile

    rows: list[list[str]] = []
    facts: list[dict[str, Any]] = []
    for file in list_profiles(home()):
        try:
            profile = load_profile(home(), file.name)
        except DdpmError as error:
            rows.append([file.name, ORIGINS[file.origin], "", "", "", f"cannot be used: {error}"])
            facts.append(
                {"name": file.name, "origin": file.origin, "path": str(file.path), "problem": str(error)}
            )
            continue
        data, training = profile.data, profile.training
        rows.append(
            [
                file.name,
                ORIGINS[file.origin],
                data.dataset,
                str(data.size),
                f"{training.epochs} ({training.chunk_epochs})",
                profile.description,
            ]
        )
        facts.append(
            {
                "name": file.name,
                "origin": file.origin,
                "path": str(file.path),
                "description": profile.description,
                "dataset": data.dataset,
                "size": data.size,
                "epochs": training.epochs,
                "chunk_epochs": training.chunk_epochs,
            }
        )
    if as_json:
        print_json(facts)
    else:
        print_table(
            ["PROFILE", "FROM", "DATA", "SIZE", "EPOCHS (CHUNK)", "WHAT"],
            rows,
            right={"SIZE", "EPOCHS (CHUNK)"},
        )


@profiles.command()
@click.argument("name", shell_complete=complete.profiles)
@set_option
@json_option
def show(name: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show one profile as TOML: the unchanged file, or, with --set, all settings."""
    from engine.config.store import find_profile, parse_profile, profile_text, to_toml

    file = find_profile(home(), name)
    text = profile_text(file.path)
    profile = parse_profile(text, str(file.path), list(overrides))
    if as_json:
        print_json({"name": file.name, "path": str(file.path), "profile": profile.to_dict()})
    else:
        say_text(to_toml(profile).rstrip() if overrides else text.rstrip())
    for warning in profile.warnings():
        note(f"warning: {warning}")


@profiles.command()
@click.argument("name")
@click.option(
    "--from", "base", metavar="PROFILE", shell_complete=complete.profiles, help="Start from this profile."
)
@set_option
@click.option("--description", metavar="TEXT", help="Description for the list. [default: names the original]")
def new(name: str, base: str | None, overrides: tuple[str, ...], description: str | None) -> None:
    """Create a profile of your own: a copy of another one, or of the defaults, with changes."""
    from engine.config.profile import Profile
    from engine.config.store import (
        add_profile,
        check_new_name,
        diff_profiles,
        edit_toml,
        find_profile,
        override_profile,
        parse_profile,
        profile_text,
        to_toml,
    )

    path = check_new_name(home(), name)
    if base is None:
        after = override_profile(Profile(), list(overrides))
        words = _made_from("the defaults", diff_profiles(Profile(), after))
        text = to_toml(after.model_copy(update={"description": description or words}))
    else:
        source = find_profile(home(), base).path
        text = profile_text(source)
        before = parse_profile(text, str(source))
        after = parse_profile(text, str(source), list(overrides))
        plain = after.to_dict()
        differ = diff_profiles(before, after)
        changes: dict[str, Any] = {"description": description or _made_from(base, differ)}
        for key, _, _ in differ:
            section, _, field = key.partition(".")
            changes[key] = plain[section].get(field)
        text = edit_toml(text, changes)
    add_profile(home(), name, text)
    say(f"{path}")
    note(f"change it with: ddpm-tui profiles edit {name}")


def _made_from(base: str, changes: list[tuple[str, Any, Any]]) -> str:
    """Return a description of a copy, because the original's description would be wrong for it."""
    from engine.config.store import value_text

    parts = [f"{key}={value_text(after, 'none')}" for key, _, after in changes]
    return f"{base} with {' '.join(parts)}" if parts else f"a copy of {base}"


@profiles.command()
@click.argument("name", shell_complete=complete.profiles)
def edit(name: str) -> None:
    """Edit a profile in $VISUAL or $EDITOR; it is checked before it is saved.

    An included profile is first copied to your own profiles.
    """
    from ddpm_tui.editor import edited
    from engine.config.store import (
        ProfileError,
        change_profile,
        find_profile,
        parse_profile,
        profile_text,
    )

    file = find_profile(home(), name)
    before = text = profile_text(file.path)
    path = home().user_profile(file.name) if file.origin == "shipped" else file.path
    while True:
        found = edited(text, ".toml")
        if found is None or found == before:
            say("nothing was changed")
            return
        text = found
        try:
            parse_profile(text, str(path))
        except ProfileError as error:
            for problem in error.problems:
                note(f"error: {problem.text(str(path))}")
            if sys.stdin.isatty() and click.confirm("Edit it again?", default=True, err=True):
                continue
            kept = _keep_edited(path, text)
            raise UserError(
                f"{path} was not changed", f"the edited text, with the problems above, is in {kept}"
            ) from None
        break
    try:
        change_profile(home(), path, text, None if file.origin == "shipped" else before)
    except UserError as error:
        kept = _keep_edited(path, text)
        raise UserError(error.what, f"the edited text is in {kept}") from None
    say(str(path))


def _keep_edited(path: Path, text: str) -> Path:
    """Save a rejected edited text beside the profile, so that it is not lost."""
    from engine.base.files import write_text

    kept = path.with_name(f"{path.name}.edited")
    home().create()
    write_text(kept, text)
    return kept


@profiles.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…", shell_complete=complete.profiles)
def delete(names: tuple[str, ...]) -> None:
    """Move profiles of your own to the trash. `profiles restore` brings them back.

    Runs keep the profile with which they were created. An included profile of the same name becomes visible again.
    """
    from engine.base.trash import discard

    def one(named: tuple[str, Path]) -> None:
        name, path = named
        discard(home(), "profile", name, path)
        say(f"{name} is in the trash; `ddpm-tui profiles restore {name}` brings it back")

    each([(name, _own(name)) for name in dict.fromkeys(names)], one)


def _own(name: str) -> Path:
    """Return the file of one of the user's profiles. Raises UserError."""
    from engine.config.store import find_profile

    path = home().user_profile(name)
    if not path.exists():
        find_profile(home(), name)  # raises an error with similar names if there is none
        raise UserError(f"{name} is included with the program", "only your own profiles can be deleted")
    return path


@profiles.command()
@click.argument("name")
def restore(name: str) -> None:
    """Bring a deleted profile back."""
    from engine.base.trash import find_trashed
    from engine.base.trash import restore as bring_back

    say(f"{name} is back: {bring_back(find_trashed(home(), name, 'profile'))}")


@profiles.command()
@click.argument("names", nargs=-1, shell_complete=complete.profiles)
@json_option
@click.pass_context
def validate(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Check profiles (by default all of them): report every problem with file, line and key.

    Exit code 1 if a profile is invalid. Warnings are about valid settings that are probably not intended.
    """
    from engine.config.store import ProfileError, find_profile, list_profiles, load_profile

    facts: list[dict[str, Any]] = []
    for name in names or [file.name for file in list_profiles(home())]:
        file = find_profile(home(), name)
        entry: dict[str, Any] = {"name": file.name, "path": str(file.path), "problems": [], "warnings": []}
        facts.append(entry)
        try:
            entry["warnings"] = load_profile(home(), name).warnings()
        except ProfileError as error:
            entry["problems"] = [problem.text(error.source) for problem in error.problems]
        except DdpmError as error:
            entry["problems"] = [str(error)]
    failed = any(entry["problems"] for entry in facts)
    if as_json:
        print_json(facts)
        ctx.exit(int(failed))
    for entry in facts:
        for problem in entry["problems"]:
            note(f"error: {problem}")
        for warning in entry["warnings"]:
            note(f"warning: {entry['name']}: {warning}")
        if not entry["problems"]:
            say(f"{entry['name']}: valid" + (" (with warnings)" if entry["warnings"] else ""))
    ctx.exit(int(failed))


@profiles.command()
@click.argument("a", shell_complete=complete.trainable)
@click.argument("b", shell_complete=complete.trainable)
@json_option
def diff(a: str, b: str, as_json: bool) -> None:
    """Show the differences between two profiles; a run stands for its frozen profile."""
    from engine.config.store import diff_profiles, value_text

    rows = diff_profiles(_profile_or_run(a), _profile_or_run(b))
    if as_json:
        print_json([{"key": key, a: left, b: right} for key, left, right in rows])
    elif rows:
        print_table(
            ["KEY", a, b], [[key, value_text(left, "–"), value_text(right, "–")] for key, left, right in rows]
        )
    else:
        say("no difference")


def _profile_or_run(name: str) -> Any:
    from engine.config.store import list_profiles, load_profile
    from engine.runs.record import load_run, run_names

    known = [file.name for file in list_profiles(home())]
    if name not in known and name in run_names(home()):
        return load_run(home(), name).profile
    return load_profile(home(), name)


@profiles.command()
@click.argument("name", shell_complete=complete.profiles)
@set_option
@device_option
@click.option("--no-measure", is_flag=True, help="Only count; do not train a few steps to measure them.")
@json_option
def estimate(name: str, overrides: tuple[str, ...], device: str, no_measure: bool, as_json: bool) -> None:
    """Estimate the cost of a profile: parameters, multiply-adds, memory, checkpoint size, and time per epoch,
    measured on this machine.
    """
    from ddpm_tui.cli.costs import print_costs
    from ddpm_tui.cli.foreground import run_job
    from engine.config.store import load_profile

    profile = load_profile(home(), name, list(overrides))
    result = run_job(
        home(),
        "estimate",
        None,
        {"profile": profile.to_dict(), "measure": not no_measure},
        device=device,
        quiet=as_json,
    )
    if as_json:
        print_json(result.extra)
    else:
        print_costs(profile, result.extra)
