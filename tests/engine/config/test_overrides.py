"""Changes as they are typed: a text stays a text, a number has an end, nothing is a traceback."""

import pytest

from engine.base.errors import UserError
from engine.config.overrides import LONGEST, apply_override
from engine.config.profile import SECTIONS, Profile
from engine.config.store import ProfileError, override_profile, value_text


@pytest.mark.parametrize(
    "name",
    [
        "128",
        "2024",
        "1e5",
        "true",
        "inf",
        "nan",
        "0x10",
        "1_000",
        "[1]",
        "{a=1}",
        "2024-01-01",
        "none",
        "a b",
    ],
)
def test_a_key_that_holds_a_text_takes_what_was_typed(name: str) -> None:
    changed = override_profile(Profile(), [f"data.dataset={name}"])
    assert changed.data.dataset == name
    again = override_profile(Profile(), [f"data.dataset={value_text(changed.data.dataset)}"])
    assert again == changed


def test_quotes_may_stand_around_a_text_as_in_a_file() -> None:
    assert override_profile(Profile(), ['data.dataset="128"']).data.dataset == "128"
    assert override_profile(Profile(), ["optim.schedule='constant'"]).optim.schedule == "constant"


@pytest.mark.parametrize("override", ["data.dataset=", "data.dataset=" + "x" * 81, "data.dataset=gr\udcfcn"])
def test_a_text_that_can_name_nothing(override: str) -> None:
    with pytest.raises(ProfileError, match=r"data\.dataset"):
        override_profile(Profile(), [override])


NUMBERS = [
    f"{section}.{name}"
    for section, model in SECTIONS.items()
    for name, field in model.model_fields.items()
    if any(kind in str(field.annotation) for kind in ("int", "float")) and "bool" not in str(field.annotation)
]


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    "number", ["1" + "0" * 18, "-" + "1" + "0" * 18, "1e300", "-1e300", "inf", "-inf", "nan"]
)
def test_every_number_has_an_end_on_both_sides(key: str, number: str) -> None:
    if key == "training.seed" and number == "1" + "0" * 18:
        return  # a seed has 63 bits
    with pytest.raises(ProfileError) as caught:
        override_profile(Profile(), [f"{key}={number}"])
    said = str(caught.value)
    assert key in said
    assert len(said) < 400
    assert "\n" not in said


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize(
    "value",
    ["9" * 5000, "0x" + "f" * 5000, "[" * 3000, "{a=" * 2000, "[1" + ",1" * 12_000 + "]"],
    ids=["digits", "hexadecimal", "brackets", "braces", "entries"],
)
def test_a_value_without_end_is_one_short_line(key: str, value: str) -> None:
    with pytest.raises(UserError) as caught:
        override_profile(Profile(), [f"{key}={value}"])
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_a_limit_is_named_with_key_and_value() -> None:
    with pytest.raises(ProfileError, match=r"model\.width: 8193: input should be less than or equal to 8192"):
        override_profile(Profile(), ["model.width=8193"])
    with pytest.raises(ProfileError, match=r"model\.width: 8000000000000000000000: input .* equal to 8192"):
        override_profile(Profile(), ["model.width=8000000000000000000000"])
    with pytest.raises(ProfileError, match=r"model\.width: 16,384 channels \(4096 × 4\) are more than 8,192"):
        override_profile(Profile(), ["model.width=4096"])
    with pytest.raises(ProfileError, match=r"'auto' or less than or equal to 1000000"):
        override_profile(Profile(), ["training.micro_batch=1000001"])


def test_the_length_of_a_list_and_its_kind_are_said_in_the_words_of_profiles() -> None:
    with pytest.raises(ProfileError, match=r"model\.multipliers: 11 entries, at most 10 are taken"):
        override_profile(Profile(), [f"model.multipliers={[1] * 11}"])
    with pytest.raises(ProfileError, match=r"model\.multipliers: needs at least one level"):
        override_profile(Profile(), ["model.multipliers=[]"])
    with pytest.raises(ProfileError, match=r"model\.multipliers: 3: input should be a list"):
        override_profile(Profile(), ["model.multipliers=3"])
    with pytest.raises(ProfileError, match=r"data\.flip: 1: input should be true or false"):
        override_profile(Profile(), ["data.flip=1"])


def test_a_value_that_is_too_long_altogether() -> None:
    with pytest.raises(ProfileError, match="characters"):
        apply_override({}, "data.dataset=" + "x" * (LONGEST + 1))


def test_none_where_the_section_is_no_table() -> None:
    with pytest.raises(UserError, match=r"\[data\] is not a table"):
        apply_override({"data": 3}, "data.limit=none")
