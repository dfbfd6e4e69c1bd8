"""A new score is a choice of the command line, of the form and of the docs, and is taken with all its terms."""

from click.testing import CliRunner

from ddpm_tui.cli.evaluate import evaluate
from ddpm_tui.tui.screens.evaluate_form import OFFERED
from engine.evaluation.measuring import Wanted
from engine.evaluation.score import score
from engine.runs.evaluations import check_measures
from tests.choices_page import made
from tests.contributing.tiny_run import completed, dots, loaded, settings

assert "brightness" in CliRunner().invoke(evaluate, ["--help"]).output
assert completed("evaluate", "r", "--measures", "brig") == ["brightness"]
assert OFFERED["brightness"].words == "how light samples are", "the form"
assert "| `brightness` | their mean (lower is better; of samples) |" in made(), "the docs"
measures = check_measures(["brightness"], None)
network = loaded()
found = score(network, dots(), Wanted(measures, 3, settings(network, steps=2)))
made_score = found.scores["brightness"]
assert (made_score.n, made_score.direction, made_score.unit, made_score.steps) == (3, "lower", "levels", 2)
assert 0 <= made_score.value <= 255
