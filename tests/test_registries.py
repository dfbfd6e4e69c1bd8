"""Each enumeration has one table, every member its line, and an unknown name is refused."""

import inspect
import io
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from ddpm_tui.cli.data_add import add as add_command
from ddpm_tui.cli.evaluate import evaluate as evaluate_command
from ddpm_tui.cli.sample import sample as sample_command
from ddpm_tui.tui.screens.evaluate_form import OFFERED
from ddpm_tui.tui.widgets.jobs import PHASES
from engine.base.errors import UserError
from engine.base.home import Home
from engine.base.named import load
from engine.config.optimizers import OPTIMIZERS
from engine.config.problems import named_values
from engine.config.profile import Profile
from engine.config.recipes import CROP_RECIPES
from engine.config.sampling_settings import Settings
from engine.config.sections import DiffusionSection, SamplingSection
from engine.config.store import parse_profile
from engine.data.recipes import check_recipe, crop_box
from engine.diffusion.noise import PictureNoise
from engine.diffusion.reverse import sample
from engine.diffusion.samplers import SAMPLERS, SamplerOption
from engine.diffusion.schedule import Schedule
from engine.diffusion.schedules import SCHEDULES
from engine.diffusion.spacing import Spacing
from engine.diffusion.tables import betas
from engine.evaluation.measuring import Figure, Measuring
from engine.jobs.context import Work
from engine.jobs.files import EXIT_MISUSED, Outcome, Phase, Result, new_job_folder, read_result, read_spec
from engine.jobs.kinds import ADDED, KINDS, title
from engine.runs.evaluations import check_measures
from engine.runs.measures import FEATURE_MEASURES, MEASURES, PLAIN_MEASURES, Direction, Features
from engine.service.job_states import ENDED, LIVE, STATES, Change, Stage, State, states_that_take
from engine.service.launchers import LAUNCHERS, launcher_named
from engine.service.launchers.base import Launcher
from engine.service.planning import plan_job
from engine.service.settings import QueueSettings, read_settings
from engine.service.states import Job
from engine.service.verdict import OUTCOMES, judge
from engine.training.optim import kept_by_optimizer, make_optimizer
from engine.worker.main import work_on
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
    with pytest.raises(UserError, match="did you mean 'sigmoid'"):
        betas("sigmoidal", 10)
    for unknown in ("", "betas", None, ["linear"]):
        with pytest.raises(UserError, match="no noise schedule named"):
            betas(unknown, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_and_takes_what_its_line_says(name: str) -> None:
    def drawn(**options: Any) -> Tensor:
        noise = PictureNoise(0, [0, 1], (3, 8, 8))
        return sample(lambda x, t: 0.3 * x, schedule, "eps", sampler=name, steps=4, noise=noise, **options)

    schedule = Schedule.create("linear", 20)
    assert SAMPLERS[name].words
    assert SAMPLERS[name].spacing in get_args(Spacing)
    plain = drawn()
    assert plain.shape == (2, 3, 8, 8)
    for option, value in OTHERWISE.items():
        changes = not torch.equal(plain, drawn(**{option: value}))
        assert changes is (option in SAMPLERS[name].takes), option


OTHERWISE: dict[SamplerOption, Any] = {"eta": 0.5, "variance": "fixed_large"}


def test_profiles_forms_and_options_take_the_samplers_of_the_table_and_no_other() -> None:
    assert set(OTHERWISE) == set(get_args(SamplerOption))
    assert get_args(SamplingSection.model_fields["sampler"].annotation) == tuple(SAMPLERS)
    assert named_values(["sampling", "sampler"]) == list(SAMPLERS)
    for command in (sample_command, evaluate_command):
        (option,) = (one for one in command.params if one.name == "sampler")
        assert tuple(option.type.choices) == tuple(SAMPLERS)  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="did you mean 'dpmpp'"):
        parse_profile('[sampling]\nsampler = "dpmp"\n', "a profile")
    with pytest.raises(UserError, match="did you mean 'dpmpp'"):
        Settings.from_profile(Profile(), sampler="dpmp")
    with pytest.raises(UserError, match="did you mean 'dpmpp'"):
        sample(
            lambda x, t: x, Schedule.create("linear", 5), "v",
            sampler="dpmp", steps=2, noise=PictureNoise(0, [0], (3, 8, 8)),
        )  # fmt: skip


def test_every_state_has_its_row() -> None:
    assert list(STATES) == list(State)
    for state, facts in STATES.items():
        assert len(facts.sign) == 1, state
        assert facts.tone in TONES, state
        assert facts.news in TONES | {""}, state
        assert facts.colour in COLOURS, state
        assert facts.stage in get_args(Stage), state
        assert facts.takes <= set(get_args(Change)), state
        assert facts.to <= set(State) - {state}, state


TONES = {"dim", "accent", "good", "warn", "bad"}
COLOURS = {"green", "cyan", "yellow", "red", "bright_black"}


def test_rows_agree_with_each_other() -> None:
    for state, facts in STATES.items():
        assert facts.comes or state not in LIVE, "a worker ends"
        assert not (facts.comes and state in ENDED), state
        assert ("retry" in facts.takes) >= (state in ENDED - {State.DONE}), state
        assert ("cancel" in facts.takes) is (state not in ENDED), state
    wished: dict[Change, State] = {
        "pause": State.PAUSED,
        "hold": State.HELD,
        "cancel": State.CANCELLED,
        "resume": State.QUEUED,
        "retry": State.QUEUED,
    }
    assert set(wished) == set(get_args(Change))
    for change, after in wished.items():
        for before in states_that_take(change):
            assert after in STATES[before].to, f"{change} of a job that is {before}"


def test_every_state_but_the_first_can_be_reached() -> None:
    reached = {after for facts in STATES.values() for after in facts.to}
    assert reached == set(State)


def test_profiles_and_options_take_the_recipes_of_the_table_and_no_other() -> None:
    assert named_values(["data", "recipe"]) == list(CROP_RECIPES)
    (option,) = (one for one in add_command.params if one.name == "recipe")
    assert tuple(option.type.choices) == tuple(CROP_RECIPES)  # type: ignore[attr-defined]
    for name, recipe in CROP_RECIPES.items():
        assert recipe.words
        left, top, right, bottom = recipe.box or (0, 20, 178, 198)
        assert crop_box(name, 178, 218) == (left, top, right, bottom)
    with pytest.raises(UserError, match="did you mean 'center178'"):
        check_recipe("center187")
    with pytest.raises(UserError, match="did you mean 'center178'"):
        parse_profile('[data]\nrecipe = "center187"\n', "a profile")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_is_made_and_keeps_what_it_says(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    optimizer = make_optimizer(
        name, model, lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, fused=False
    )
    model(torch.ones(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    moments = [
        value
        for state in optimizer.state.values()
        for key, value in state.items()
        if isinstance(value, Tensor) and key != "step"
    ]
    assert sum(value.numel() for value in moments) == kept_by_optimizer(name, model)
    assert OPTIMIZERS[name].words


def test_an_unknown_optimizer_is_refused_with_the_nearest() -> None:
    assert named_values(["optim", "optimizer"]) == list(OPTIMIZERS)
    with pytest.raises(UserError, match="did you mean 'muon'"):
        make_optimizer("muonn", nn.Linear(1, 1), lr=1.0)
    with pytest.raises(UserError, match="did you mean 'muon'"):
        parse_profile('[optim]\noptimizer = "muonn"\n', "a profile")


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_function_words_and_a_place_in_the_form(name: str) -> None:
    measure = MEASURES[name]
    hints = get_type_hints(load(measure.take))
    assert hints == {"of": Measuring, "return": Figure}
    assert 0 < len(measure.words) <= 38
    assert measure.meaning
    assert measure.better in get_args(Direction)
    assert measure.extractor in get_args(Features)
    assert not (name in FEATURE_MEASURES and name in PLAIN_MEASURES)
    assert measure.usual is (name in FEATURE_MEASURES or name in PLAIN_MEASURES)
    assert (name in OFFERED) is (measure.extractor != "file")
    (option,) = (one for one in evaluate_command.params if one.name == "measures")
    assert name in str(option.help)  # type: ignore[attr-defined]


def test_an_unknown_measure_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'memorisation'"):
        check_measures(["memorization"], None)


def test_every_outcome_of_a_worker_has_its_verdict() -> None:
    assert set(OUTCOMES) == set(get_args(Outcome))
    for outcome, usual in OUTCOMES.items():
        result = Result(outcome, EXIT_MISUSED, "why", "what to do")
        for state in LIVE:
            job = Job("000001", "train", state=state)
            assert judge(job, result, 1, False).state is usual.state
            assert usual.state in STATES[state].to, f"a {state} job cannot become {usual.state}"


def test_every_phase_is_one_that_the_queue_knows() -> None:
    assert set(PHASES) <= set(get_args(Phase))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_every_launcher_has_the_methods_of_one(tmp_path: Path, name: str) -> None:
    launcher = launcher_named(name, Home(tmp_path))
    assert LAUNCHERS[name].words
    for method in ("start", "adopt"):
        wanted = list(inspect.signature(getattr(Launcher, method)).parameters)
        assert list(inspect.signature(getattr(launcher, method)).parameters) == wanted[1:]
    assert QueueSettings().launcher in LAUNCHERS


def test_an_unknown_launcher_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'local'"):
        launcher_named("locale", Home(tmp_path))
    file = tmp_path / "settings.toml"
    file.write_text('[queue]\nlauncher = "locale"\n')
    file.chmod(0o600)
    settings, problems = read_settings(file)
    assert settings.launcher == "local"
    assert "did you mean 'local'" in problems[0]


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_job_has_a_handler_that_takes_its_work_and_words_for_people(name: str) -> None:
    hints = get_type_hints(load(KINDS[name].handler))
    assert hints == {"work": Work, "return": Result}
    assert KINDS[name].less_memory
    assert title(name, "r", {"to_epoch": 3, "n": 2}).startswith(f"{name} r")


def test_an_unknown_kind_of_job_is_refused_by_the_service_and_by_the_worker(tmp_path: Path) -> None:
    home = Home(tmp_path).create()
    with pytest.raises(UserError, match="'sampel' is not a kind of job") as error:
        plan_job(home, (), "sampel", {})
    assert all(kind in str(error.value) for kind in ADDED)
    folder = new_job_folder(home, "sampel", None, {})
    assert work_on(Work(home, folder, read_spec(folder), io.StringIO())) == EXIT_MISUSED
    result = read_result(folder)
    assert result is not None
    assert "does not know jobs of kind 'sampel'" in result.message
