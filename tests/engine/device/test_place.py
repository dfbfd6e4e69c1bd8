"""The way of a device's name: what a worker is made to see, and what it then calls its card."""

import pytest

from engine.base.errors import UserError
from engine.device.place import PLACE, VISIBLE, Place, began_on, visible_cards

MIG = "MIG-GPU-1a2b/7/0"


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        (None, None),
        ("", ()),
        ("-1", ()),
        ("0", ("0",)),
        (" 2 , 3", ("2", "3")),
        ("2,-1,3", ("2",)),
        ("1,1", ()),
        ("1gpu2,2ampere", ("1", "2")),
        ("0,GPU-aa", ("0",)),
        ("GPU-aa, GPU-bb", ("GPU-aa", "GPU-bb")),
        ("GPU-aa,1", ("GPU-aa",)),
        (f"{MIG},MIG-c3", (MIG, "MIG-c3")),
        ("NoDevFiles", ()),
    ],
)
def test_the_users_list_is_read_as_cuda_reads_it(text: str | None, cards: tuple[str, ...] | None) -> None:
    assert visible_cards({} if text is None else {VISIBLE: text}) == cards


@pytest.mark.parametrize(
    ("device", "before", "after"),
    [
        ("cuda:1", None, "1"),
        ("cuda:1", "2,3", "3"),
        ("cuda", "2,3", "2"),
        ("cuda:1", "GPU-aa,GPU-bb", "GPU-bb"),
        ("cuda:0", MIG, MIG),
        ("cpu", None, ""),
        ("cpu", "2,3", ""),
    ],
)
def test_a_worker_sees_exactly_the_device_that_it_is_given(
    device: str, before: str | None, after: str
) -> None:
    place = Place.parse(device)
    assert place is not None
    surroundings = {"PATH": "/bin", **({} if before is None else {VISIBLE: before})}
    made = place.environment(surroundings)
    assert made == {"PATH": "/bin", VISIBLE: after, PLACE: place.name}
    assert Place.given(made) == place
    assert place.inside(made) == ("cpu" if device == "cpu" else "cuda:0")


def test_a_container_that_hides_the_list_has_its_cards_under_their_own_names() -> None:
    """CUDA_VISIBLE_DEVICES did not come through to the worker, DDPM_DEVICE did."""
    place = Place.given({PLACE: "cuda:1"})
    assert place is not None
    assert place.inside({PLACE: "cuda:1"}) == "cuda:1"


def test_a_card_that_is_hidden_from_us_is_given_to_nobody() -> None:
    for name, visible, shown in (("cuda:2", "4,5", "shows 2 cards"), ("cuda:0", "", "shows no card")):
        with pytest.raises(UserError, match=f"there is no {name}: CUDA_VISIBLE_DEVICES={visible} {shown}"):
            Place.parse(name).environment({VISIBLE: visible})  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["", "auto", "tpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1:2", "cuda:²"]
)
def test_what_names_no_device_gives_none(name: str) -> None:
    assert Place.parse(name) is None


@pytest.mark.parametrize(
    ("frozen", "kind"),
    [
        ({}, None),
        ({"plan": {"device_name": "a CPU"}}, None),
        ({"plan": {"device": "cuda:1"}}, "cuda"),
        ({"plan": {"device": "cpu"}}, "cpu"),
        ({"plan": {"device": "cpu"}, "device_kind": "cuda"}, "cuda"),
        ({"plan": "odd", "device_kind": 7}, None),
        ({"plan": {"device": ["cuda"]}}, None),
    ],
)
def test_where_a_run_began_is_read_from_old_records_too(frozen: dict[str, object], kind: str | None) -> None:
    assert began_on(frozen) == kind
