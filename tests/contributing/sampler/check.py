"""A new sampler is a choice of the command line, of forms, of profiles and of the docs, and draws pictures."""

import numpy as np
from click.testing import CliRunner

from ddpm_tui.cli.evaluate import evaluate
from ddpm_tui.cli.sample import sample
from ddpm_tui.tui.screens.forms import SampleForm
from engine.config.problems import named_values
from tests.choices_page import made
from tests.contributing.tiny_run import completed, drawn, loaded

for command in (sample, evaluate):
    assert "euler" in CliRunner().invoke(command, ["--help"]).output, command.name
assert completed("sample", "r", "--sampler", "eu") == ["euler"]
assert "euler" in named_values(["sampling", "sampler"]), "the form of a profile"
assert any("euler" in field.choices for field in SampleForm.FIELDS), "the form that queues samples"
assert "| `euler` | a step by Euler each" in made(), "the docs"
network = loaded(sampling={"sampler": "euler"})
mine, ddim = drawn(network, steps=4), drawn(network, steps=4, sampler="ddim")
assert np.abs(mine.astype(int) - ddim).max() <= 2, "without noise, both are the same step"
