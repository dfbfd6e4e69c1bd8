"""Errors are one line with a way out."""

import pytest

from engine.base.errors import UserError, nearest, unknown


@pytest.mark.parametrize(
    ("known", "hint", "way_out"),
    [
        (["celeba32", "demo"], None, "did you mean 'celeba32'?"),
        (["celeba32", "demo"], "see the list", "did you mean 'celeba32'? see the list"),
        (["x", "y"], None, "there are: x, y"),
        (["y", "x"], "see the list", "there are: x, y; see the list"),
        ([], None, "there are no profiles yet"),
        ([], "make one", "make one"),
        ([chr(97 + i) for i in range(20)], None, "none of the 20 profiles has a similar name"),
        ([chr(97 + i) for i in range(20)], "see the list", "see the list"),
    ],
)
def test_unknown_names(known: list[str], hint: str | None, way_out: str) -> None:
    assert str(unknown("profile", "celeba23", known, hint)) == f"no profile named 'celeba23' — {way_out}"


def test_an_error_without_a_hint() -> None:
    assert str(UserError("it broke")) == "it broke"
    assert nearest("abc", []) is None
