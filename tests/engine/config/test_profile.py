"""Profiles: what fits together, what does not, and how that is said."""

import pytest
from pydantic import ValidationError

from engine.config.profile import Profile
from engine.config.sections import DataSection, ModelSection
from engine.config.store import ProfileError, build_profile

IMPOSSIBLE = [
    ({"data": {"size": 30}}, "data.size", "does not divide by 4"),
    ({"data": {"size": 4}}, "data.size", "greater than or equal to 8"),
    ({"data": {"size": "32"}}, "data.size", "valid integer"),
    ({"data": {"size": 32.0}}, "data.size", "valid integer"),
    ({"data": {"flip": 1}}, "data.flip", "true or false"),
    ({"data": {"recipe": "centre178"}}, "data.recipe", "did you mean 'center178'?"),
    ({"data": {"limit": 0}}, "data.limit", "greater than 0"),
    ({"model": {"multipliers": []}}, "model.multipliers", "at least one level"),
    ({"model": {"width": 30}}, "model.groups", "do not divide by 8"),
    ({"model": {"attention": ["none"]}}, "model.attention", "1 entries for 3 levels"),
    ({"model": {"head_dim": 48}}, "model.head_dim", "do not divide into heads"),
    ({"model": {"dropout": 1.0}}, "model.dropout", "less than 1"),
    ({"diffusion": {"steps": 0}}, "diffusion.steps", "greater than or equal to 1"),
    ({"diffusion": {"beta_start": 0.5}}, "diffusion.beta_start", "above beta_end"),
    ({"diffusion": {"schedule": "cosin"}}, "diffusion.schedule", "did you mean 'cosine'?"),
    (
        {"diffusion": {"zero_terminal_snr": True}, "objective": {"prediction": "eps"}},
        "diffusion.zero_terminal_snr",
        "division by zero",
    ),
    ({"optim": {"lr": 0.0}}, "optim.lr", "greater than or equal to 0.000000000001"),
    ({"optim": {"lr": float("nan")}}, "optim.lr", "finite number"),
    ({"optim": {"eps": float("inf")}}, "optim.eps", "finite number"),
    ({"optim": {"weight_decay": float("inf")}}, "optim.weight_decay", "finite number"),
    ({"optim": {"schedule": "step"}}, "optim.lr_steps", "is empty"),
    ({"optim": {"lr_steps": [{"epoch": 2, "lr": 1e-4}]}}, "optim.lr_steps", "only with schedule = 'step'"),
    (
        {"optim": {"schedule": "step", "lr_steps": [{"epoch": 9, "lr": 1e-4}, {"epoch": 2, "lr": 1e-5}]}},
        "optim.lr_steps",
        "must rise",
    ),
    ({"training": {"micro_batch": 48}}, "training.micro_batch", "does not divide batch_size"),
    ({"training": {"device": "gpu"}}, "training.device", "pattern"),
    ({"sampling": {"steps": 500}}, "sampling.steps", "more than diffusion.steps = 200"),
    ({"sampling": {"spacing": "trailling"}}, "sampling.spacing", "did you mean 'trailing'?"),
    ({"modle": {}}, "modle", "did you mean 'model'?"),
    ({"model": {"widht": 3}}, "model.widht", "did you mean 'width'?"),
    ({"model": 3}, "model", "must be a table write it as [model]"),
]


@pytest.mark.parametrize(("data", "key", "words"), IMPOSSIBLE, ids=[case[1] for case in IMPOSSIBLE])
def test_what_cannot_be_is_refused_at_its_key(data: dict[str, object], key: str, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        build_profile(data, "it.toml")
    first = caught.value.problems[0]
    assert first.key == key
    assert words in f"{first.message} {first.hint}"
    assert "\n" not in str(caught.value)


def test_every_problem_is_kept() -> None:
    with pytest.raises(ProfileError, match="and 1 more problem: see") as caught:
        build_profile({"data": {"size": 1}, "optim": {"lr": -1.0}}, "it.toml")
    assert [p.key for p in caught.value.problems] == ["data.size", "optim.lr"]


def test_profiles_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Profile().data.size = 64  # type: ignore[misc]


def test_attention_sits_where_pictures_are_small() -> None:
    model = ModelSection(multipliers=(1, 2, 3, 4))
    assert model.attention_per_level(64) == ("none", "none", "softmax", "softmax")
    assert model.attention_per_level(16) == ("softmax",) * 4
    forced = ModelSection(attention=("linear", "none", "softmax"))
    assert forced.attention_per_level(64) == ("linear", "none", "softmax")


def test_the_horizon_is_the_runs_length_unless_it_is_said() -> None:
    assert build_profile({"training": {"epochs": 30}}, "").horizon_epochs == 30
    assert (
        build_profile({"training": {"epochs": 30}, "optim": {"horizon_epochs": 100}}, "").horizon_epochs
        == 100
    )


@pytest.mark.parametrize(
    ("diffusion", "warned"),
    [
        ({"schedule": "linear", "beta_scaling": "none"}, True),
        ({"schedule": "quadratic", "beta_scaling": "none"}, True),
        ({"schedule": "sigmoid", "beta_scaling": "none"}, True),
        ({"schedule": "linear", "beta_scaling": "steps"}, False),
        ({"schedule": "linear", "beta_scaling": "none", "steps": 1000}, False),
        ({"schedule": "cosine"}, False),
    ],
)
def test_a_last_step_that_is_not_noise_is_warned_of(diffusion: dict[str, object], warned: bool) -> None:
    warnings = build_profile({"diffusion": diffusion}, "").warnings()
    assert bool(warnings) is warned
    assert not warned or "beta_scaling = 'steps'" in warnings[0]


def test_a_last_step_without_weight_is_warned_of() -> None:
    both = {"diffusion": {"zero_terminal_snr": True}, "objective": {"prediction": "v", "min_snr_gamma": 5.0}}
    assert [w for w in build_profile(both, "").warnings() if "has weight 0" in w]
    for one in ({"diffusion": both["diffusion"]}, {"objective": both["objective"]}):
        assert build_profile(one, "").warnings() == []


def test_the_spacing_follows_the_sampler_unless_it_is_said() -> None:
    plain, said = Profile(), build_profile({"sampling": {"spacing": "linspace"}}, "")
    assert [plain.spacing_for(s) for s in ("ddpm", "ddim", "dpmpp")] == ["trailing", "trailing", "logsnr"]
    assert [said.spacing_for(s) for s in ("ddpm", "ddim", "dpmpp")] == ["linspace"] * 3


def test_plain_data_and_back() -> None:
    profile = build_profile({"model": {"attention": ["none", "none", "linear"]}, "data": {"limit": 5}}, "")
    assert build_profile(profile.to_dict(), "") == profile
    assert "limit" not in Profile().to_dict()["data"]
    assert DataSection().dataset == "faces"
