"""Profiles as files: found, read, changed, and explained by file, line and key."""

import tomllib
from pathlib import Path

import pytest

from engine.base.errors import UserError
from engine.base.home import Home, shipped_profiles
from engine.config.overrides import apply_override
from engine.config.profile import SECTIONS, Profile
from engine.config.store import (
    ProfileError,
    diff_profiles,
    edit_toml,
    find_profile,
    list_profiles,
    load_profile,
    override_profile,
    parse_profile,
    save_profile,
    to_toml,
    value_text,
)

SHIPPED = sorted(path.stem for path in shipped_profiles().glob("*.toml"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").create()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_profiles_are_usable_and_described(home: Home, name: str) -> None:
    profile = load_profile(home, name)
    assert profile.description
    assert bool(profile.warnings()) is name.endswith("-paper"), "only the paper's β are meant to be unscaled"
    assert parse_profile(to_toml(profile), name) == profile


def test_a_folder_of_a_few_hundred_pictures_is_past_its_warm_up_early_on(home: Home) -> None:
    profile = load_profile(home, "folder")
    planned = profile.training.epochs * (400 // profile.training.batch_size)
    assert profile.optim.warmup_steps <= planned / 10


def test_the_papers_numbers(home: Home) -> None:
    small, large = load_profile(home, "celeba32-paper"), load_profile(home, "celeba64-paper")
    assert (small.data.size, large.data.size) == (32, 64)
    for paper in (small, large):
        assert (paper.objective.prediction, paper.objective.loss) == ("eps", "huber")
        assert (paper.diffusion.steps, paper.diffusion.beta_scaling) == (200, "none")
        assert (paper.training.chunk_epochs, paper.data.flip, paper.sampling.weights) == (25, False, "raw")
        assert (paper.sampling.sampler, paper.sampling.steps, paper.sampling.clip) == ("ddpm", 200, False)
    assert small.optim.lr == 1e-5
    assert [(s.epoch, s.lr) for s in small.optim.lr_steps] == [(101, 1e-6)]
    assert large.optim.lr == 1e-3


def test_a_users_profile_hides_the_shipped_one(home: Home) -> None:
    assert find_profile(home, "demo").origin == "shipped"
    save_profile(home, "demo", 'description = "mine"\n')
    assert find_profile(home, "demo").origin == "user"
    assert load_profile(home, "demo").description == "mine"
    assert [p.name for p in list_profiles(home)].count("demo") == 1


def test_a_profile_by_its_path(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[data]\nsize = 16\n")
    assert load_profile(home, str(path)).data.size == 16
    with pytest.raises(UserError, match=r"no profile file at .*y.toml"):
        find_profile(home, str(tmp_path / "y.toml"))


def test_an_unknown_name_gets_the_nearest(home: Home) -> None:
    with pytest.raises(UserError, match="no profile named 'celeba23' — did you mean 'celeba32'"):
        load_profile(home, "celeba23")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data]\nsize = 30\n", "it.toml:2: data.size: 30 does not divide"),
        ("[data]\n\n# a word\nsizee = 32\n", "it.toml:4: data.sizee: unknown key (did you mean 'size'?)"),
        ("[optim]\nlr = 1\n[data]\nflip = 'yes'\n", "it.toml:4: data.flip: 'yes': "),
        ("description = 3\n", "it.toml:1: description: 3: "),
        (
            "[data]\nsize = 16\n[trainig]\nepochs = 3\n",
            "it.toml:3: trainig: unknown section (did you mean 'training'?)",
        ),
        ("[training]\nmicro_batch = 48\n", "it.toml:2: training.micro_batch: 48 does not divide"),
        ("[data\n", "it.toml: not valid TOML"),
        ("[[data]]\nsize = 3\n", "it.toml:1: data: must be a table (write it as [data])"),
    ],
)
def test_problems_say_file_line_and_key(text: str, said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "it.toml")
    assert said in str(caught.value)


def test_a_file_that_is_not_text(home: Home) -> None:
    (home.profiles / "odd.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="it is UTF-16 text"):
        load_profile(home, "odd")


# Overrides.


def test_an_override_that_the_rest_does_not_fit_is_named() -> None:
    text = "[model]\nwidth = 48\nmultipliers = [1, 2]\nhead_dim = 48\n"
    with pytest.raises(ProfileError) as caught:
        parse_profile(text, "it.toml", ["model.width=16", "optim.lr=1e-4"])
    assert str(caught.value) == (
        "--set model.width=16 --set optim.lr=1e-4: model.head_dim: 32 channels do not divide into heads of 48 "
        "(--set model.head_dim=… as well)"
    )
    with pytest.raises(ProfileError, match=r"^it\.toml:3: model\.head_dim"):
        parse_profile(
            text.replace("multipliers = [1, 2]\n", "").replace("48", "40", 1), "it.toml", ["optim.lr=1e-4"]
        )


def test_in_full_says_what_is_not_set() -> None:
    text = to_toml(Profile())
    assert "# limit is absent: use only this many pictures (built-in: draw this many); absent = all" in text
    assert "# min_snr_gamma is absent: " in text
    assert "# embedding_dim is absent: " in text
    assert parse_profile(text, "it.toml") == Profile()
    assert "limit is absent" not in to_toml(override_profile(Profile(), ["data.limit=7"]))


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optim.lr=1e-4", 1e-4),
        ("optim.lr=1", 1.0),
        ("optim.schedule=constant", "constant"),
        ('optim.schedule="constant"', "constant"),
        ("training.micro_batch=auto", "auto"),
        ("training.micro_batch=32", 32),
        ("model.multipliers=[1, 2]", (1, 2)),
        ("data.limit=none", None),
        ("data.flip=false", False),
    ],
)
def test_overrides(override: str, expected: object) -> None:
    base = override_profile(Profile(), ["data.limit=7"])
    changed = override_profile(base, [override])
    section, key = override.partition("=")[0].split(".")
    value = getattr(getattr(changed, section), key)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.lr", "is not section.key=value"),
        ("lr=1", "is not section.key=value"),
        ("optim.lr.x=1", "is not section.key=value"),
        ("optimm.lr=1", "did you mean 'optim'"),
        ("optim.rl=1", "did you mean"),
        ("optim.lr=fast", "valid number"),
        ("data.size=31", "does not divide"),
    ],
)
def test_overrides_that_cannot_be(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        override_profile(Profile(), [override])


def test_an_override_where_the_section_is_no_table() -> None:
    with pytest.raises(UserError, match=r"\[optim\] is not a table"):
        apply_override({"optim": 3}, "optim.lr=1")


# Changing text.


def test_editing_keeps_comments_and_order() -> None:
    text = 'description = "x"\n\n[optim]   # how\nlr = 1e-3   # fast\nschedule = "cosine"\n'
    changed = edit_toml(text, {"optim.lr": 1e-4, "optim.schedule": None, "data.size": 64, "description": "y"})
    assert "# how" in changed
    assert "# fast" in changed
    assert tomllib.loads(changed) == {"description": "y", "optim": {"lr": 1e-4}, "data": {"size": 64}}


def test_saving_refuses_what_could_not_be_loaded(home: Home) -> None:
    with pytest.raises(ProfileError, match=r"data\.size"):
        save_profile(home, "bad", "[data]\nsize = 3\n")
    assert not (home.profiles / "bad.toml").exists()


def test_differences() -> None:
    other = override_profile(Profile(), ["optim.lr=2e-3", "data.size=64"])
    assert diff_profiles(Profile(), Profile()) == []
    assert diff_profiles(Profile(), other) == [("data.size", 32, 64), ("optim.lr", 1e-3, 2e-3)]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_value_in_words_is_one_that_can_be_typed(home: Home, name: str) -> None:
    profile = load_profile(home, name)
    words = [
        f"{section}.{key}={value_text(getattr(getattr(profile, section), key), 'none')}"
        for section, model in SECTIONS.items()
        for key in model.model_fields
    ]
    # All at once: one by one they need not fit what the defaults say.
    assert diff_profiles(override_profile(Profile(), words), profile) == []


def test_values_in_words() -> None:
    profile = override_profile(Profile(), ['model.attention=["none", "linear", "softmax"]'])
    assert value_text(profile.model.attention) == '["none", "linear", "softmax"]'
    assert value_text(profile.optim.schedule) == "cosine"
    assert (value_text(True), value_text(1e-5), value_text(None), value_text(None, "–")) == (
        "true",
        "1e-05",
        "",
        "–",
    )
