"""Profiles as files: finding, reading, changing and explaining what is wrong with them, with file, line and key.

User profiles in $DDPM_HOME/profiles win over the shipped ones of the same name. Knows nothing of runs.
"""

import json
import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import tomlkit
from pydantic import BaseModel, ValidationError

from engine.errors import UserError, nearest, unknown
from engine.files import write_text
from engine.home import Home, is_file_name, shipped_profiles
from engine.profile import Profile


@dataclass(frozen=True)
class ProfileFile:
    """Where one named profile is read from."""

    name: str
    path: Path
    origin: Literal["user", "shipped"]


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a profile. `key` is dotted ('optim.lr'); `line` counts from 1."""

    key: str
    message: str
    hint: str = ""
    line: int | None = None

    def text(self, source: str = "") -> str:
        place = source + (f":{self.line}" if self.line else "")
        words = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{words} ({self.hint})" if self.hint else words


class ProfileError(UserError):
    """A profile that cannot be used; `problems` has every reason, the message the first one."""

    def __init__(self, source: str, problems: list[Problem]) -> None:
        first, rest = problems[0], len(problems) - 1
        more = f"; and {rest} more problem{'s' * (rest > 1)}: see `profiles validate`" if rest else ""
        super().__init__(first.text(source) + more)
        self.source = source
        self.problems = problems


def list_profiles(home: Home) -> list[ProfileFile]:
    """Every profile by name; a user's hides the shipped one of the same name."""
    found = {path.stem: ProfileFile(path.stem, path, "shipped") for path in shipped_profiles().glob("*.toml")}
    if home.profiles.is_dir():
        found |= {path.stem: ProfileFile(path.stem, path, "user") for path in home.profiles.glob("*.toml")}
    return [found[name] for name in sorted(found)]


def find_profile(home: Home, name: str) -> ProfileFile:
    """A profile by name, or a TOML file by path (`is_file_name`)."""
    if is_file_name(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UserError(
                f"no profile file at {path}", "give a name from `profiles list` or an existing .toml"
            )
        return ProfileFile(path.stem, path, "user")
    profiles = {profile.name: profile for profile in list_profiles(home)}
    if name not in profiles:
        raise unknown("profile", name, profiles, "see `profiles list`")
    return profiles[name]


def load_profile(home: Home, name: str, overrides: list[str] | None = None) -> Profile:
    """Read, override and validate a profile. Raises ProfileError (file, line, key, what is allowed)."""
    return read_profile(find_profile(home, name).path, overrides)


def read_profile(path: Path, overrides: list[str] | None = None) -> Profile:
    """`load_profile` of a file."""
    return parse_profile(_read(path), str(path), overrides)


def parse_profile(text: str, source: str, overrides: list[str] | None = None) -> Profile:
    """TOML text to a Profile; `source` names it in errors; `overrides` are 'section.key=value'."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(source, [Problem("", f"not valid TOML: {error}")]) from None
    for override in overrides or []:
        apply_override(data, override)
    try:
        return build_profile(data, source, text)
    except ProfileError as error:
        given = {o.partition("=")[0].strip(): o for o in overrides or []}
        blamed, problems = given.get(error.problems[0].key), [replace(p, line=None) for p in error.problems]
        if blamed is None:
            if not given or not _stands(text, source):
                raise
            # What stands in the file was fine with what stood beside it.
            blamed = " --set ".join(given.values())
            hint = f"--set {problems[0].key}=… to fit, too"
            problems[0] = replace(problems[0], hint=problems[0].hint or hint)
        raise ProfileError(f"--set {blamed}", problems) from None


def _stands(text: str, source: str) -> bool:
    try:
        parse_profile(text, source)
    except ProfileError:
        return False
    return True


def build_profile(data: dict[str, Any], source: str, text: str = "") -> Profile:
    """Plain data to a Profile; `text` (its TOML, if any) gives line numbers to the errors."""
    try:
        # JSON mode keeps types strict and still takes arrays for tuples.
        return Profile.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        problems = [_problem(item, text) for item in error.errors(include_url=False)]
        raise ProfileError(source, problems) from None


def override_profile(profile: Profile, overrides: list[str], source: str = "--set") -> Profile:
    """`profile` with 'section.key=value' changes, validated again."""
    data = profile.to_dict()
    for override in overrides:
        apply_override(data, override)
    return build_profile(data, source)


def split_override(override: str) -> tuple[str, str, str]:
    """Section, key and value of 'section.key=value', whatever they are. Raises UserError where it is nothing of that
    shape."""
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) != 2 or not all(parts):
        raise UserError(f"--set {override!r} is not section.key=value", "for example --set optim.lr=1e-4")
    return parts[0], parts[1], value


def apply_override(data: dict[str, Any], override: str) -> None:
    """Put one 'section.key=value' into plain profile data. The value is TOML, else a bare string."""
    section, name, value = split_override(override)
    if section not in SECTIONS:
        raise unknown("profile section", section, SECTIONS)
    if name not in SECTIONS[section].model_fields:
        raise unknown(f"key in [{section}]", name, SECTIONS[section].model_fields)
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    if isinstance(parsed, str) and parsed in ("none", "None") and None in _allowed_none(section, name):
        data.get(section, {}).pop(name, None)
        return
    if isinstance(parsed, int) and not isinstance(parsed, bool) and _is_float(section, name):
        parsed = float(parsed)
    table = data.setdefault(section, {})
    if not isinstance(table, dict):
        raise UserError(f"[{section}] is not a table", "write it as [section]")
    table[name] = parsed


SECTIONS: dict[str, type[BaseModel]] = {
    name: field.annotation
    for name, field in Profile.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


def diff_profiles(a: Profile, b: Profile) -> list[tuple[str, Any, Any]]:
    """(key, value in a, value in b) for everything that differs, except the description."""
    rows = []
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            left, right = getattr(getattr(a, section), key), getattr(getattr(b, section), key)
            if left != right:
                rows.append((f"{section}.{key}", left, right))
    return rows


def value_text(value: Any, absent: str = "") -> str:
    """A profile's value as one types it: TOML, with bare words for strings; `absent` for what is not set."""
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
    """The profile as TOML with a comment behind every key that has a description, and one for each that is not set."""
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
    """`text` with 'section.key' values replaced (None removes), comments and order kept."""
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
    """Validate TOML text and write it as the user's profile `name`."""
    path = home.create().user_profile(name)
    parse_profile(text, str(path))
    write_text(path, text)
    return path


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text", "is it really a profile?") from None
    except OSError as error:
        raise UserError(f"cannot read {path} ({error.strerror})") from None


def _problem(item: Any, text: str) -> Problem:
    """One pydantic error in the words of profiles."""
    location = [
        part for part in item["loc"] if not (isinstance(part, str) and ("[" in part or part in _TAGS))
    ]
    context = item.get("ctx", {})
    error = context.get("error")
    kind = item["type"]
    hint = ""
    if kind == "value_error" and getattr(error, "key", None):
        key, message, hint = error.key, str(error), error.hint
    else:
        key = ".".join(str(part) for part in location)
        message = item["msg"][:1].lower() + item["msg"][1:]
        if kind == "extra_forbidden":
            section = str(location[0])
            known = SECTIONS[section].model_fields if len(location) > 1 and section in SECTIONS else SECTIONS
            close = nearest(str(location[-1]), known)
            message = "unknown key" if len(location) > 1 else "unknown section"
            hint = f"did you mean {close!r}?" if close else "known: " + ", ".join(known)
        elif kind in ("model_type", "model_attributes_type", "dict_type"):
            message = "must be a table"
            hint = f"write it as [{key}]" if len(location) == 1 else ""
        elif not isinstance(item.get("input"), dict | list):
            message = f"{item.get('input')!r}: {message}"
            if kind == "literal_error":
                allowed = _literals(location)
                close = nearest(str(item["input"]), allowed)
                hint = f"did you mean {close!r}?" if close else ""
    return Problem(key, message, hint, _line_of(text, key))


_TAGS = {"literal['auto']", "constrained-int", "bool", "float", "int", "str", "tuple"}


def _literals(location: list[Any]) -> list[str]:
    if len(location) < 2 or location[0] not in SECTIONS:
        return []
    field = SECTIONS[location[0]].model_fields.get(str(location[1]))
    return [str(value) for value in _flatten(field.annotation)] if field else []


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [v for a in arguments for v in (_flatten(a) if get_args(a) else [a]) if isinstance(v, str)]


def _allowed_none(section: str, name: str) -> tuple[Any, ...]:
    arguments = get_args(SECTIONS[section].model_fields[name].annotation)
    return (None,) if type(None) in arguments else ()


def _is_float(section: str, name: str) -> bool:
    annotation = SECTIONS[section].model_fields[name].annotation
    return annotation is float or float in get_args(annotation)


def _line_of(text: str, dotted: str) -> int | None:
    """The line of 'section.key' in TOML text, as an editor counts; the section's where the key is absent."""
    section, _, rest = dotted.partition(".")
    key = rest.split(".")[0]
    current, section_line = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]", line)
        if header:
            current = header[1]
            if current == section:
                section_line = number
        elif (current == section and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line)) or (
            not current and re.match(rf"\s*{re.escape(section)}\s*=", line)
        ):
            return number
    return section_line
