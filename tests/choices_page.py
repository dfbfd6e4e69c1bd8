"""Generate docs/choices.md from the program's own tables: python -m tests.choices_page."""

from collections.abc import Iterable
from pathlib import Path

from engine.config.optimizers import OPTIMIZERS
from engine.config.recipes import CROP_RECIPES
from engine.diffusion.samplers import SAMPLERS, Sampler
from engine.diffusion.schedules import SCHEDULES
from engine.runs.measures import MEASURES, Measure

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
            *_table(
                "Samplers",
                "`sampling.sampler` and `--sampler`",
                ((name, _sampler(sampler)) for name, sampler in SAMPLERS.items()),
            ),
            *_table(
                "Crop recipes",
                "`data.recipe` and `--recipe`",
                ((name, recipe.words) for name, recipe in CROP_RECIPES.items()),
            ),
            *_table(
                "Optimizers",
                "`optim.optimizer`",
                ((name, optimizer.words) for name, optimizer in OPTIMIZERS.items()),
            ),
            *_table(
                "Measures",
                "`--measures`, the form that queues an evaluation, and the `measures` of a study",
                ((name, _measure(measure)) for name, measure in MEASURES.items()),
            ),
            "",
        ]
    )


def _measure(measure: Measure) -> str:
    of = "samples" if measure.sampled else "held-out pictures"
    needs = {
        "none": "",
        "inception": "; Inception's weights",
        "file": "; `--extractor`",
        "either": "; weights",
    }
    return f"{measure.meaning} ({measure.better} is better; of {of}{needs[measure.extractor]})"


def _sampler(sampler: Sampler) -> str:
    options = f"takes {', '.join(sampler.takes)}; " if sampler.takes else ""
    return f"{sampler.words}; {options}its timesteps are {sampler.spacing} if nothing else is said"


def _table(title: str, key: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"| `{name}` | {words} |" for name, words in rows]
    return ["", f"## {title}", "", f"{key}:", "", "| name | meaning |", "| --- | --- |", *lines]


if __name__ == "__main__":
    PAGE.write_text(made(), encoding="utf-8")
