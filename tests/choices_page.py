"""Generate docs/choices.md from the program's own tables: python -m tests.choices_page."""

from collections.abc import Iterable
from pathlib import Path

from engine.diffusion.schedules import SCHEDULES

PAGE = Path(__file__).parent.parent / "docs" / "choices.md"


def made() -> str:
    """Return the whole page as Markdown."""
    return "\n".join(
        [
            "# Named choices",
            "",
            "Give one of these names in a profile, with `--set` or in a form; any other name is an error.",
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
    return ["", f"## {title}", "", f"{key}:", "", "| name | meaning |", "| --- | --- |", *lines]


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
