"""Problems of a profile, described with file, line, key, value and the allowed values. Reads no file."""

import re
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from engine.base.errors import UsageError, UserError, nearest
from engine.config.profile import SECTIONS


@dataclass(frozen=True)
class Problem:
    """One problem of a profile. `key` is dotted ('optim.lr'); `line` counts from 1."""

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
        if source.startswith("--set"):  # the command line is wrong, not the profile
            self.exit_code = UsageError.exit_code


SHOWN = 40
"""The most characters of a value that an error repeats."""

MOST_PROBLEMS = 20
"""The most problems reported for one profile: a list of a thousand wrong numbers is one mistake."""


def problems_of(error: ValidationError, text: str) -> list[Problem]:
    """Return every problem that pydantic found, one per key; `text` (TOML) gives the lines."""
    found: dict[str, Problem] = {}
    for item in error.errors(include_url=False):
        problem = _problem(item, text)
        before = found.get(problem.key)
        if before is None:
            if len(found) == MOST_PROBLEMS:
                break
            found[problem.key] = problem
        elif (allowed := _allowed(problem)) and "input should be" in before.message:
            # The key allows several kinds of values.
            message = f"{before.message} or {allowed}"
            found[problem.key] = Problem(problem.key, message, before.hint or problem.hint, before.line)
    return list(found.values())


def _allowed(problem: Problem) -> str:
    return problem.message.partition("input should be ")[2]


def short(text: str, most: int = 2 * SHOWN) -> str:
    """Return the text, shortened to the space that an error line has."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown(value: Any) -> str:
    """Return a value as an error repeats it."""
    if isinstance(value, int) and value.bit_length() > 128:
        return "a finite number"
    return short(repr(value), SHOWN)


def too_long_number(text: str) -> Problem | None:
    """Return the problem of the first number in a profile's TOML that has too many digits, with its key and line."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        section = header[1] if header else section
        found = _LONG_NUMBER.match(line)
        if found:
            key = f"{section}.{found[1]}" if section else found[1]
            return Problem(key, f"{found[2][: SHOWN - 1]}… is too large", line=number)
    return None


_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)\s*\]")
_LONG_NUMBER = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*=\s*\[?[^\"'#]*?([+-]?\d[\w]{18,})")


def _problem(item: Any, text: str) -> Problem:
    """Return one pydantic error as a problem of the profile."""
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
        key = ".".join(short(str(part)) for part in location)
        message = item["msg"][:1].lower() + item["msg"][1:]
        message = _LIST.sub("a list", message).replace("a valid boolean", "true or false")
        if kind == "extra_forbidden":
            section = str(location[0])
            known = SECTIONS[section].model_fields if len(location) > 1 and section in SECTIONS else SECTIONS
            close = nearest(str(location[-1])[:SHOWN], known)
            message = "unknown key" if len(location) > 1 else "unknown section"
            hint = f"did you mean {close!r}?" if close else "known: " + ", ".join(known)
        elif kind in ("too_long", "too_short"):
            most = kind == "too_long"
            limit = context["max_length" if most else "min_length"]
            message = f"{context['actual_length']:,} entries, {'at most' if most else 'at least'} {limit:,} are taken"
        elif kind in ("model_type", "model_attributes_type", "dict_type"):
            message = "must be a table"
            hint = f"write it as [{key}]" if len(location) == 1 else ""
        elif not isinstance(item.get("input"), dict | list):
            message = f"{shown(item.get('input'))}: {message}"
            if kind == "literal_error":
                allowed = named_values(location)
                close = nearest(str(item["input"])[:SHOWN], allowed)
                hint = f"did you mean {close!r}?" if close else ""
    return Problem(key, message, hint, line_of(text, key))


_LIST = re.compile(r"a valid (tuple|array|list)")
_TAGS = {"literal['auto']", "constrained-int", "bool", "float", "int", "str", "tuple"}


def named_values(location: list[Any]) -> list[str]:
    """Return the names that a key, given as [section, key], allows; empty if it takes numbers or any text."""
    if len(location) < 2 or location[0] not in SECTIONS:
        return []
    field = SECTIONS[location[0]].model_fields.get(str(location[1]))
    return [str(value) for value in _flatten(field.annotation)] if field else []


def _flatten(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return [v for a in arguments for v in (_flatten(a) if get_args(a) else [a]) if isinstance(v, str)]


def line_of(text: str, dotted: str) -> int | None:
    """Return the line of 'section.key' in TOML text, counted from 1; the section's line if the key is absent."""
    section, _, rest = dotted.partition(".")
    key = rest.split(".")[0]
    current, section_line = "", None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            current = header[1]
            if current == section:
                section_line = number
        elif (current == section and key and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line)) or (
            not current and re.match(rf"\s*{re.escape(section)}\s*=", line)
        ):
            return number
    return section_line
