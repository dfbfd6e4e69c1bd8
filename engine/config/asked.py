"""Labels as a person names them: `smiling=1,eyeglasses=-1`, or the name of a class. Knows names alone, no pictures."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from engine.base.errors import UsageError, misused, unknown
from engine.config.names import LabelKind

WORDS: Final = {
    "yes": 1.0, "true": 1.0, "on": 1.0, "no": -1.0, "false": -1.0, "off": -1.0, "unknown": 0.0, "any": 0.0
}  # fmt: skip
"""What may stand for a number."""

CLASS: Final = "class"
"""What a class is asked for by: class=cat."""

MOST_TEXT: Final = 4_000

_SEPARATORS: Final = re.compile(r"[\s_-]+")


def label_key(name: str) -> str:
    """What two spellings of one name have in common: `Wearing_Hat`, `wearing hat` and `wearing-hat` are one."""
    return _SEPARATORS.sub("_", name.strip()).casefold()


def find_label(name: str, names: Iterable[str], what: str = "label") -> str:
    """The one of `names` that is meant, in its own spelling. Raises UsageError with the nearest one."""
    known = {label_key(one): one for one in names}
    found = known.get(label_key(name))
    if found is None:
        near = unknown(what, label_key(name), known)
        raise misused(type(near)(f"no {what} named {name!r}", near.hint))
    return found


def split_asked(text: str) -> list[tuple[str, str]]:
    """(name, value) of each part of `smiling=1,hat=-1`; a part without "=" is a class's name. Raises UsageError."""
    if len(text) > MOST_TEXT:
        raise UsageError(f"the labels have {len(text):,} characters, and at most {MOST_TEXT:,} are read")
    found = []
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or (equals and not value):
            raise UsageError(f"{text!r} does not name labels", "for example smiling=1,eyeglasses=-1")
        found.append((name, value) if equals else (CLASS, name))
    return found


def label_value(text: str, name: str) -> float:
    """A number from −1 (absent) over 0 (unknown) to 1 (present). Raises UsageError."""
    word = text.strip().casefold()
    try:
        value = WORDS[word] if word in WORDS else float(word.replace("−", "-"))
    except ValueError:
        value = math.nan
    if not -1 <= value <= 1:  # NaN is not within either
        raise UsageError(
            f"{name}={text[:40]} cannot be: a label goes from -1 (absent) over 0 (unknown) to 1 (present)"
        )
    return value


def check_asked(text: str, kind: LabelKind, names: Sequence[str]) -> str:
    """The same labels in one spelling: names as the run has them, in its order, unknown ones left out.

    Raises UsageError for names that are not there, twice the same one, values out of range, and for a run without
    labels.
    """
    return asked_text(asked_values(text, kind, names), kind)


def asked_values(text: str, kind: LabelKind, names: Sequence[str]) -> dict[str, float]:
    """name → value of each attribute that is asked for, in the order of `names`; of a class {its name: 1}."""
    parts = split_asked(text) if text else []
    if kind == "none":
        raise UsageError(
            f"{text!r} cannot be asked for: nothing is labelled", "train with [labels], see docs/labels.md"
        )
    if kind == "class":
        wrong = next((name for name, _ in parts if label_key(name) != CLASS), None)
        if wrong is not None or len(parts) > 1:
            raise UsageError(
                f"{text!r} is not one class", f"for example class={names[0] if names else 'cat'}"
            )
        return {find_label(value, names, "class"): 1.0 for _, value in parts}
    found: dict[str, float] = {}
    for given, value in parts:
        if given == CLASS and "=" not in text:
            raise UsageError(f"{text!r} has no value", f"for example {text}=1")
        name = find_label(given, names)
        if name in found:
            raise UsageError(f"{text!r} names {name} twice")
        found[name] = label_value(value, given)
    return {name: found[name] for name in names if found.get(name)}


def asked_text(values: dict[str, float], kind: LabelKind) -> str:
    """The reverse of `asked_values`: "smiling=1,eyeglasses=-1", "class=cat", "" for nothing."""
    if kind == "class":
        return ",".join(f"{CLASS}={name}" for name in values)
    return ",".join(f"{name}={value:g}" for name, value in values.items())
