"""Profile files: finding, reading and changing them, and reporting problems with file, line and key.

User profiles in $DDPM_HOME/profiles take precedence over included ones of the same name. Knows nothing about runs.
"""

import contextlib
import datetime
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, ValidationError

from engine.base.errors import UserError, unknown
from engine.base.files import FileLock, write_text
from engine.base.home import Home, given_path, is_file_name, shipped_profiles
from engine.base.records import loads_toml, read_text
from engine.config.overrides import apply_override
from engine.config.problems import Problem, line_of, problems_of, short, too_long_number
from engine.config.problems import ProfileError as ProfileError
from engine.config.profile import SECTIONS, Profile

ENDING = ".toml"


@dataclass(frozen=True)
class ProfileFile:
    """The file of a named profile."""

    name: str
    path: Path
    origin: Literal["user", "shipped"]


def list_profiles(home: Home) -> list[ProfileFile]:
    """Return every profile by name; a user's profile hides the included one of the same name. No file is read."""
    found = {path.stem: ProfileFile(path.stem, path, "shipped") for path in _files(shipped_profiles())}
    found |= {path.stem: ProfileFile(path.stem, path, "user") for path in _files(home.profiles)}
    return [found[name] for name in sorted(found)]


def _files(folder: Path) -> list[Path]:
    """Return the profile files of a folder; none if it cannot be listed."""
    try:
        return [folder / name for name in os.listdir(folder) if name.endswith(ENDING) and name[0] != "."]
    except OSError:
        return []


def find_profile(home: Home, name: str) -> ProfileFile:
    """Find a profile by name, or a TOML file by path (`is_file_name`)."""
    profiles = {profile.name: profile for profile in list_profiles(home)}
    path = given_path(name)
    if is_file_name(name) and (path.exists() or name not in profiles):
        if not path.exists():
            named = name.removesuffix(ENDING)
            hint = "give a name from `profiles list` or an existing .toml"
            raise UserError(
                f"no profile file at {path}",
                f"the profile is called {named!r}" if named in profiles else hint,
            )
        return ProfileFile(path.stem, path, "user")
    if name not in profiles:
        raise unknown("profile", name, profiles, "see `profiles list`")
    return profiles[name]


def check_new_name(home: Home, name: str) -> Path:
    """Return the path of a new profile with this name. Raises UserError if the user has one, or the name is invalid."""
    if name.lower().endswith(ENDING):
        stem = name[: -len(ENDING)]
        raise UserError(
            f"a profile is named without {ENDING}: {name!r}", f"call it {stem!r}" if stem else None
        )
    path = home.user_profile(name)
    if path.exists() or path.is_symlink():
        raise UserError(
            f"there is already a profile of yours named {name!r}", f"ddpm-tui profiles edit {name}"
        )
    return path


def load_profile(home: Home, name: str, overrides: list[str] | None = None) -> Profile:
    """Read, override and validate a profile. Raises ProfileError (file, line, key, allowed values)."""
    return read_profile(find_profile(home, name).path, overrides)


def read_profile(path: Path, overrides: list[str] | None = None) -> Profile:
    """Read, override and validate a profile file, as `load_profile` does."""
    return parse_profile(profile_text(path), str(path), overrides)


def profile_text(path: Path) -> str:
    """Return the text of a profile's file. Raises ProfileError with one line that names the file if it cannot be
    read.
    """
    try:
        return read_text(path)
    except OSError as error:
        raise ProfileError(str(path), [Problem("", f"cannot be read ({error.strerror or error})")]) from None
    except ValueError as error:
        raise ProfileError(str(path), [Problem("", str(error), "is it really a profile?")]) from None


def parse_profile(text: str, source: str, overrides: list[str] | None = None) -> Profile:
    """Parse TOML text as a Profile; `source` names it in errors; `overrides` are 'section.key=value'."""
    try:
        data = loads_toml(text)
    except ValueError as error:
        problem = too_long_number(text) if "digits" in str(error) else None
        raise ProfileError(source, [problem or Problem("", str(error))]) from None
    for override in overrides or []:
        apply_override(data, override)
    try:
        return build_profile(data, source, text)
    except ProfileError as error:
        given = {o.partition("=")[0].strip(): short(o) for o in overrides or []}
        blamed, problems = given.get(error.problems[0].key), [replace(p, line=None) for p in error.problems]
        if blamed is None:
            if not given or not _stands(text, source):
                raise
            # The file alone was valid; an override caused the problem.
            blamed = " --set ".join(given.values())
            hint = f"--set {problems[0].key}=… as well"
            problems[0] = replace(problems[0], hint=problems[0].hint or hint)
        raise ProfileError(f"--set {blamed}", problems) from None


def _stands(text: str, source: str) -> bool:
    try:
        parse_profile(text, source)
    except ProfileError:
        return False
    return True


def build_profile(data: dict[str, Any], source: str, text: str = "") -> Profile:
    """Convert plain data to a Profile; `text` (its TOML, if any) gives line numbers for errors."""
    odd = [Problem(key, why, line=line_of(text, key)) for key, why in _no_json(data)]
    if odd:
        raise ProfileError(source, odd)
    try:
        # JSON mode keeps types strict but accepts arrays for tuples.
        return Profile.model_validate_json(json.dumps(data))
    except ValidationError as error:
        raise ProfileError(source, problems_of(error, text)) from None
    except ValueError as error:  # a whole number of thousands of digits
        raise ProfileError(source, [Problem("", str(error))]) from None


def _no_json(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, reason) for values that TOML and a command line can express but a profile cannot: dates, times and
    bytes that are not text.
    """
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _no_json(item, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for item in value:
            yield from _no_json(item, key)
    elif isinstance(value, datetime.date | datetime.time):
        yield key, "is a date; put text in quotes"
    elif isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        yield key, "is not UTF-8 text"


def override_profile(profile: Profile, overrides: list[str], source: str = "--set") -> Profile:
    """Return `profile` with 'section.key=value' changes, validated again."""
    data = profile.to_dict()
    for override in overrides:
        apply_override(data, override)
    return build_profile(data, source)


def diff_profiles(a: Profile, b: Profile) -> list[tuple[str, Any, Any]]:
    """Return (key, value in a, value in b) for all differences except the description."""
    rows = []
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            left, right = getattr(getattr(a, section), key), getattr(getattr(b, section), key)
            if left != right:
                rows.append((f"{section}.{key}", left, right))
    return rows


def value_text(value: Any, absent: str = "") -> str:
    """Return a profile's value as a user types it: TOML, with bare words for strings; `absent` if it is not set."""
    if value is None:
        return absent
    return value if isinstance(value, str) else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, BaseModel):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def to_toml(profile: Profile) -> str:
    """Return the profile as TOML, with a comment after every key that has a description, and one for each key that is
    not set.
    """
    document = tomlkit.document()
    if profile.description:
        document["description"] = profile.description
    plain = profile.to_dict()
    for section, model in SECTIONS.items():
        table = tomlkit.table()
        for key, field in model.model_fields.items():
            if key in plain[section]:
                item = tomlkit.item(plain[section][key])
                if field.description:
                    item.comment(field.description)
                table.append(key, item)
            else:
                table.add(tomlkit.comment(f"{key} is absent: {field.description}"))
        document[section] = table
    return tomlkit.dumps(document)


def edit_toml(text: str, changes: dict[str, Any]) -> str:
    """Return `text` with 'section.key' values replaced (None removes), keeping comments and order."""
    document = tomlkit.parse(text)
    for dotted, value in changes.items():
        section, _, key = dotted.partition(".")
        if not key:
            document[section] = value
            continue
        if section not in document:
            document[section] = tomlkit.table()
        table: Any = document[section]
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return tomlkit.dumps(document)


def save_profile(home: Home, name: str, text: str) -> Path:
    """Validate TOML text and write it as the user's profile `name`. Returns its path."""
    path = home.user_profile(name)
    parse_profile(text, str(path))
    home.create()
    write_profile(path, text)
    return path


def add_profile(home: Home, name: str, text: str) -> Path:
    """Save a new profile, as `save_profile` does. Raises UserError if another process has just created one of that
    name.
    """
    with _changing(home):
        check_new_name(home, name)
        return save_profile(home, name, text)


def change_profile(home: Home, path: Path, text: str, before: str | None) -> None:
    """Write an edited profile, unless its file has changed since it held `before` (None: it did not exist). Raises
    UserError if it has.
    """
    with _changing(home):
        if (profile_text(path) if path.exists() else None) != before:
            raise UserError(f"{path} was changed by another process while it was edited here")
        write_profile(path, text)


def _changing(home: Home) -> contextlib.AbstractContextManager[FileLock]:
    return FileLock.for_a_moment(
        home.create().profiles_lock, "the list of profiles", "a profile is being written", "try again"
    )


def write_profile(path: Path, text: str) -> None:
    """Replace a profile's file; if it is a link, replace its target, which may be under version control."""
    try:
        write_text(path.resolve(), text)
    except OSError as error:
        raise UserError(f"cannot write {path} ({error.strerror or error})", "check its permissions") from None
    except RuntimeError:  # Python 3.11 and 3.12: a link to itself
        raise UserError(f"cannot write {path} (it is a link to itself)", "remove it") from None
