"""Colours: three themes, and the inks that own widgets write with. Knows no screens.

The third theme and every run's colour use the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/),
which stays apart for all common kinds of colour vision.
"""

from dataclasses import dataclass
from functools import lru_cache

from rich.style import Style
from textual.theme import Theme

# Okabe–Ito, in the order in which runs take them; the yellow is darker on a light ground.
_DARK_SERIES = ("#56b4e9", "#e69f00", "#2fc89b", "#e08bc0", "#f0e442", "#ff7733", "#8fa8ff", "#c0c0c0")
_LIGHT_SERIES = ("#0072b2", "#b36b00", "#00795a", "#a8447f", "#7a6d00", "#c14a00", "#4455bb", "#505050")


@dataclass(frozen=True)
class Palette:
    """The colours own widgets need, as #rrggbb. resting: the ground of a cursor while its list has not the focus ·
    series: colours of runs, in a fixed order."""

    text: str
    dim: str
    faint: str
    accent: str
    good: str
    warn: str
    bad: str
    cursor: str
    cursor_text: str
    resting: str
    bar: str
    series: tuple[str, ...]


PALETTES = {
    "ddpm-dark": Palette(
        text="#d8dee4", dim="#8b98a5", faint="#4a545e", accent="#56b4e9", good="#5ec98a", warn="#e5b95c",
        bad="#f07070", cursor="#24405a", cursor_text="#ffffff", resting="#262f39", bar="#3d9bd6", series=_DARK_SERIES,
    ),
    "ddpm-light": Palette(
        text="#20262c", dim="#5c6670", faint="#b4bcc4", accent="#005f99", good="#1b7a3d", warn="#8a5a00",
        bad="#b3261e", cursor="#bcd6ee", cursor_text="#000000", resting="#dfe4e9", bar="#2f7fb8", series=_LIGHT_SERIES,
    ),
    "ddpm-okabe-ito": Palette(
        text="#e6e6e6", dim="#9a9a9a", faint="#505050", accent="#56b4e9", good="#56b4e9", warn="#f0e442",
        bad="#e69f00", cursor="#1d4f73", cursor_text="#ffffff", resting="#2a2a2a", bar="#009e73", series=_DARK_SERIES,
    ),
}  # fmt: skip

_GROUNDS = {
    "ddpm-dark": ("#101418", "#161c22", "#1c242c", True),
    "ddpm-light": ("#fafbfc", "#f0f3f6", "#e4e9ee", False),
    "ddpm-okabe-ito": ("#0a0a0a", "#141414", "#1e1e1e", True),
}

NAMES = tuple(PALETTES)
DEFAULT = NAMES[0]
LIGHT = NAMES[1]


def themes() -> list[Theme]:
    """Return the three themes, for `App.register_theme`."""
    made = []
    for name, palette in PALETTES.items():
        background, surface, panel, dark = _GROUNDS[name]
        made.append(
            Theme(
                name=name,
                primary=palette.accent,
                secondary=palette.bar,
                accent=palette.accent,
                foreground=palette.text,
                background=background,
                surface=surface,
                panel=panel,
                success=palette.good,
                warning=palette.warn,
                error=palette.bad,
                dark=dark,
                variables={
                    "dim": palette.dim,
                    "faint": palette.faint,
                    "border": palette.faint,
                    "border-blurred": palette.faint,
                    "block-cursor-background": palette.cursor,
                    "block-cursor-foreground": palette.cursor_text,
                    "input-selection-background": palette.cursor,
                    "scrollbar": palette.faint,
                    "scrollbar-hover": palette.dim,
                    "scrollbar-active": palette.dim,
                    "scrollbar-background": background,
                    "scrollbar-background-hover": background,
                    "scrollbar-background-active": background,
                    "scrollbar-corner-color": background,
                },
            )
        )
    return made


def palette(theme: str) -> Palette:
    """Return the palette of one of our themes; Textual's own themes get the dark one."""
    return PALETTES.get(theme, PALETTES[DEFAULT])


@lru_cache(maxsize=1024)
def ink(theme: str, name: str) -> Style:
    """Return a Rich style by name in a theme: "dim", "bold accent", "cursor", "series3", "" (plain text)."""
    colours = palette(theme)
    style = Style(color=colours.text)
    for word in name.split():
        if word == "bold":
            style += Style(bold=True)
        elif word == "reverse":
            style += Style(reverse=True)
        elif word == "underline":
            style += Style(underline=True)
        elif word == "resting":
            style += Style(bold=True, bgcolor=colours.resting)
        elif word == "cursor":
            style += Style(color=colours.cursor_text, bgcolor=colours.cursor)
        elif word.startswith("series"):
            style += Style(color=colours.series[int(word[6:] or 0) % len(colours.series)])
        elif word.startswith("#"):
            style += Style(color=word)
        else:
            style += Style(color=getattr(colours, word))
    return style
