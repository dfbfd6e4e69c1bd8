"""A new schedule is a choice of profiles, of the form and of the docs, and a network trains and draws by it."""

from engine.config.problems import named_values
from engine.config.profile import Profile
from tests.choices_page import made
from tests.contributing.tiny_run import completed, drawn, loaded

assert "flat" in named_values(["diffusion", "schedule"]), "the form"
assert completed("train", "--set", "diffusion.schedule=fl") == ["diffusion.schedule=flat"]
assert "| `flat` | the same β at every step |" in made(), "the docs"
network = loaded(diffusion={"schedule": "flat", "steps": 6})
assert drawn(network, steps=3).shape == (2, 16, 16, 3)
assert len(set(network.schedule.betas.tolist())) == 1
assert isinstance(network.profile, Profile)
