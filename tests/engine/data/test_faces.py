"""The built-in faces: the same for the same seed, all different, and every attribute to be seen."""

import dataclasses
import pickle
from typing import get_args, get_type_hints

import numpy as np
import pytest

from engine.data.faces import NAMES, Attributes, attributes, draw_face, faces, generate
from engine.data.faces.palette import BACKGROUNDS, CLOTHES, EYES, HAIRS, LIPS, SKINS

PLAIN = Attributes(hair="side", hat="cap", earring="stud", age=0.0)
HINTS = get_type_hints(Attributes)
TONES = {
    "skin": SKINS,
    "hair": HAIRS,
    "eye": EYES,
    "lip": LIPS,
    "hat": CLOTHES,
    "clothing": CLOTHES,
    "scene": BACKGROUNDS,
}
OTHERS: dict[str, object] = {
    "head_width": 0.54, "hair_side": -1, "eye_size": 1.15, "gaze": (0.9, 0.0), "brow_weight": 1.4,
    "light": 0.6, "blush": 0.95, "freckles": True, "age": 0.9, "tilt": 0.1, "yaw": 0.7, "shift": (0.05, 0.03),
}  # fmt: skip


def choices(name: str) -> list[object]:
    """Other values of one attribute than the plain face's."""
    if name in OTHERS:
        return [OTHERS[name]]
    if name.endswith("_tone"):
        plain = getattr(PLAIN, name)
        return [tone for tone in range(len(TONES[name.removesuffix("_tone")])) if tone != plain]
    return [word for word in get_args(HINTS[name]) if word != getattr(PLAIN, name)]


def test_there_are_enough_attributes() -> None:
    assert len(NAMES) >= 15


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 64])
def test_each_attribute_alone_changes_the_face(name: str, size: int) -> None:
    base = PLAIN
    if name in ("hair", "hair_side"):
        base = dataclasses.replace(PLAIN, hat="none")
    before = draw_face(base, size).astype(int)
    for value in choices(name):
        after = draw_face(dataclasses.replace(base, **{name: value}), size).astype(int)
        changed = np.abs(after - before).max(axis=2)
        # Visible: some pixels change by more than an eye forgives, and they are more than a speck.
        assert (changed > 20).sum() >= (size / 32) ** 2 * 2, f"{name} = {value!r}"


def test_the_same_number_is_the_same_face_in_any_block() -> None:
    together = faces(3, 0, 12, 32)
    assert together.shape == (12, 32, 32, 3)
    assert together.dtype == np.uint8
    assert np.array_equal(together[5:9], faces(3, 5, 9, 32))
    assert not np.array_equal(together[0], faces(4, 0, 1, 32)[0])
    assert faces(0, 0, 0, 32).shape == (0, 32, 32, 3)


def test_workers_give_the_same_bytes_in_order() -> None:
    alone = np.concatenate(list(generate(0, 120, 16)))
    shared = np.concatenate(list(generate(0, 120, 16, workers=2)))
    assert np.array_equal(alone, shared)


def test_faces_are_different() -> None:
    drawn = faces(0, 0, 300, 32)
    assert len({face.tobytes() for face in drawn}) == 300


def test_edges_are_soft() -> None:
    # A hard-edged disc has two values across its edge; a soft one has some in between.
    face = draw_face(dataclasses.replace(PLAIN, scene="plain", hat="none", hair="bald", earring="none"), 64)
    row = face[34].astype(int).sum(axis=1)
    steps = np.abs(np.diff(row))
    assert steps.max() < 300


def test_people_differ_in_every_word() -> None:
    people = [attributes(0, index) for index in range(1500)]
    for name, hint in HINTS.items():
        if get_args(hint) and name not in ("gaze", "shift"):
            assert {getattr(person, name) for person in people} == set(get_args(hint)), name


def test_attributes_travel_to_workers() -> None:
    person = attributes(1, 2)
    assert pickle.loads(pickle.dumps(person)) == person
