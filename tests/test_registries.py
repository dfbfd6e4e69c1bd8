"""Each enumeration has one table, every member its line, and an unknown name is refused."""

from typing import get_args

import pytest

from engine.base.errors import UserError
from engine.base.named import load
from engine.config.profile import DiffusionSection
from engine.config.store import parse_profile
from engine.diffusion.schedules import SCHEDULES
from engine.diffusion.tables import betas
from tests.choices_page import PAGE, made


def test_the_page_of_names_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == made(), "run: python -m tests.choices_page"


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_has_a_function_and_words(name: str) -> None:
    assert callable(load(SCHEDULES[name].function))
    assert SCHEDULES[name].words
    assert SCHEDULES[name].betas(1, 0.1, 0.2), name
    assert len(betas(name, 7)) == 7


def test_profiles_take_the_schedules_of_the_table_and_no_other() -> None:
    assert get_args(DiffusionSection.model_fields["schedule"].annotation) == tuple(SCHEDULES)
    with pytest.raises(UserError, match="sigmoidal"):
        parse_profile('[diffusion]\nschedule = "sigmoidal"\n', "a profile")
    for unknown in ("sigmoidal", "", "betas", None, ["linear"]):
        with pytest.raises(ValueError, match="unknown schedule"):
            betas(unknown, 10)  # type: ignore[arg-type]
