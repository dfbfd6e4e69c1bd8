"""Changes to a profile in the form 'section.key=value', on a command line, in a study or in a form."""

import re
from typing import Any, Literal, get_args, get_origin

from engine.base.errors import UsageError, UserError, misused, unknown
from engine.base.records import loads_toml
from engine.config.problems import Problem, ProfileError, short
from engine.config.profile import SECTIONS

LONGEST = 10_000
"""The most characters of one override."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")


def split_override(override: str) -> tuple[str, str, str]:
    """Split 'section.key=value' into section, key and value without checking them. Raises UserError if it does not
    have this form.
    """
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) != 2 or not all(parts):
        raise UsageError(
            f"--set {short(override)!r} is not section.key=value", "for example --set optim.lr=1e-4"
        )
    return parts[0], parts[1], value


def apply_override(data: dict[str, Any], override: str) -> None:
    """Apply one 'section.key=value' to plain profile data. Raises UserError, ProfileError."""
    section, name, text = split_override(override)
    if section not in SECTIONS:
        raise misused(unknown("profile section", section, SECTIONS))
    if name not in SECTIONS[section].model_fields:
        raise misused(unknown(f"key in [{section}]", name, SECTIONS[section].model_fields))
    table = data.setdefault(section, {})
    if not isinstance(table, dict):
        raise UserError(f"[{section}] is not a table", "write it as [section]")
    if text.strip() in ("none", "None") and _may_be_absent(section, name):
        table.pop(name, None)
    else:
        table[name] = typed_value(section, name, text)


def typed_value(section: str, name: str, text: str) -> Any:
    """Convert the text typed for a key: unchanged for keys that hold text, else parsed as TOML or as a bare word.

    A data set may be called 128, 1e5 or true, so text is never read as a number. Text may be in quotes, as in a
    profile file. Raises ProfileError for invalid values, such as numbers that are too long.
    """
    text = text.strip()
    if len(text) > LONGEST:
        raise _refused(
            section, name, f"the value has {len(text):,} characters, and at most {LONGEST:,} are read"
        )
    try:
        table = loads_toml(f"value = {text}")
    except ValueError as error:
        if _is_text(section, name) or "not valid TOML" in str(error):
            return text
        if _WHOLE.fullmatch(text):
            return int(text)  # refused later with the key's own limit
        raise _refused(section, name, str(error)) from None
    value = table["value"] if len(table) == 1 else text
    return value if isinstance(value, str) or not _is_text(section, name) else text


def _refused(section: str, name: str, why: str) -> ProfileError:
    key = f"{section}.{name}"
    return ProfileError(f"--set {key}=…", [Problem(key, why)])


def _is_text(section: str, name: str) -> bool:
    """Return whether the key holds only text: any text, or one of several names."""
    annotation = SECTIONS[section].model_fields[name].annotation
    return annotation is str or (
        get_origin(annotation) is Literal and all(isinstance(word, str) for word in get_args(annotation))
    )


def _may_be_absent(section: str, name: str) -> bool:
    return type(None) in get_args(SECTIONS[section].model_fields[name].annotation)
