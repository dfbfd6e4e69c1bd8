"""Keys as Textual names them, as people type them, and as people read them. Knows no actions."""

import unicodedata

_NAMES = """
up down left right home end pageup pagedown insert delete backspace tab enter escape space question_mark slash plus
minus equals_sign comma full_stop at underscore backslash left_square_bracket right_square_bracket
"""
_NAMED = frozenset(_NAMES.split()) | {f"f{n}" for n in range(1, 25)}
_MODIFIERS = ("ctrl", "alt", "shift", "super")


_TEXTUAL = {
    "solidus": "slash", "hyphen_minus": "minus", "plus_sign": "plus", "commercial_at": "at", "low_line": "underscore",
    "reverse_solidus": "backslash",
}  # fmt: skip
"""Characters whose name in Textual is not the one of Unicode."""


def key_name(key: str) -> str | None:
    """Return a key as Textual names it ("/" → "slash"), or None if there is no such key."""
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    if any(m not in _MODIFIERS for m in modifiers):
        return None
    if len(last) == 1:
        if not last.isprintable():
            return None
        if not last.isalnum():
            last = unicodedata.name(last, "").lower().replace("-", "_").replace(" ", "_")
            last = _TEXTUAL.get(last, last)
    elif last not in _NAMED:
        return None
    return "+".join([*modifiers, last])


_SHOWN = {
    "question_mark": "?", "slash": "/", "plus": "+", "minus": "-", "equals_sign": "=", "comma": ",",
    "full_stop": ".", "left_square_bracket": "[", "right_square_bracket": "]", "up": "↑", "down": "↓",
    "left": "←", "right": "→", "escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "at": "@",
}  # fmt: skip


def shown(key: str) -> str:
    """Return a key as people read it: "ctrl+p" → "^p", "question_mark" → "?"."""
    *modifiers, last = key.split("+") if len(key) > 1 else [key]
    last = _SHOWN.get(last, last)
    return "".join("^" if m == "ctrl" else f"{m}+" for m in modifiers) + last
