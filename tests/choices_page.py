"""Makes docs/choices.md of the tables that the program itself reads: python -m tests.choices_page."""

from collections.abc import Iterable
from pathlib import Path

from engine.diffusion.schedules import SCHEDULES

PAGE = Path(__file__).parent.parent / "docs" / "choices.md"


def made() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# What the names stand for",
            "",
            "Every name here can be given in a profile, with `--set` or in a form; any other is refused.",
            *_table(
                "Noise schedules",
                "`diffusion.schedule`",
                ((name, schedule.words) for name, schedule in SCHEDULES.items()),
            ),
            "",
        ]
    )


def _table(title: str, key: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"| `{name}` | {words} |" for name, words in rows]
    return ["", f"## {title}", "", f"{key}:", "", "| name | what it is |", "| --- | --- |", *lines]


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
