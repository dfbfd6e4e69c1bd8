"""A profile's labels and its data set's: named when a run is made, and opened beside its pictures. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.base.errors import UserError
from engine.base.folders import PackedFolder
from engine.base.home import Home
from engine.config.asked import asked_text, asked_values, check_asked, find_label
from engine.config.profile import Profile
from engine.data.catalog import load_source
from engine.data.labelling import no_labels_hint, packed_labels, source_labels
from engine.data.labels import Labels
from engine.data.packed import Packed, open_packed

KIND_WORDS = {"class": "classes", "attributes": "attributes"}


def named_labels(home: Home, profile: Profile) -> Profile:
    """The profile with its labels by name, spelled as the data set spells them: what a run keeps.

    Raises UserError if the data set has none of that kind, or not these.
    """
    section, where = profile.labels, profile.data.where
    if section.kind == "none" and where is None:
        return profile
    labels = _required(home, profile)
    data = profile.data
    changes: dict[str, Any] = {}
    if where is not None:
        values = asked_values(where, labels.kind, labels.names)
        if not values:
            raise UserError(
                f"data.where = {where!r} leaves nothing out", "leave it out, or give values of 1 or -1"
            )
        changes["data"] = data.model_copy(update={"where": asked_text(values, labels.kind)})
    if section.kind != "none":
        if section.kind != labels.kind:
            raise UserError(
                f"data set {data.dataset!r} has {KIND_WORDS[labels.kind]}, and labels.kind is {section.kind!r}",
                f"use --set labels.kind={labels.kind}",
            )
        names = tuple(find_label(name, labels.names) for name in section.names) or labels.names
        previews = tuple(check_asked(text, section.kind, names) for text in section.previews)
        changes["labels"] = section.model_copy(update={"names": names, "previews": previews})
    return profile.model_copy(update=changes)


def _required(home: Home, profile: Profile) -> Labels:
    """The labels of the profile's data set. Raises UserError if it has none."""
    name = profile.data.dataset
    table = source_labels(home, name)
    if table is None:
        key = "labels.kind" if profile.labels.kind != "none" else "data.where"
        raise UserError(
            f"data set {name!r} has no labels, which {key} needs", no_labels_hint(load_source(home, name))
        )
    return table.labels


@dataclass(frozen=True)
class Opened:
    """Packed pictures of a run, and what it is told of them: labels of its own names, None if of none · digest: of the
    labels that it learns from or that choose its pictures."""

    packed: Packed
    labels: Labels | None = None
    digest: str | None = None


def open_pictures(home: Home, folder: PackedFolder, profile: Profile, frozen: Mapping[str, Any]) -> Opened:
    """The packed pictures that a run with this profile learns from; frozen: what run.json keeps, with the state of the
    labels that it began with.

    Raises UserError if that state is gone, or no picture is as data.where says; DamagedError.
    """
    packed = open_packed(folder)
    where = profile.data.where
    if profile.labels.kind == "none" and where is None:
        return Opened(packed)
    digest = (frozen.get("labels") or {}).get("digest")
    labels = packed_labels(home, folder, digest)
    if labels is None:
        _required(home, profile)
        raise UserError(
            f"the labels of {folder.path.name} are gone", "`ddpm-tui data add PATH` takes them anew"
        )
    if where is not None:
        packed = restricted(packed, labels.matching(where))
        if not len(packed.train):
            raise UserError(
                f"no picture to learn from of data set {profile.data.dataset!r} is as data.where = {where!r} says",
                f"see `ddpm-tui data labels list {profile.data.dataset}`",
            )
    own = labels.select(profile.labels.names) if profile.labels.kind != "none" else None
    return Opened(packed, own, labels.digest())


def restricted(packed: Packed, chosen: np.ndarray) -> Packed:
    """The same with those alone to learn from, held out and for tests that `chosen`, bool (N,), has."""
    parts = {name: getattr(packed, name) for name in ("train", "held_out", "test")}
    return replace(packed, **{name: rows[chosen[rows]] for name, rows in parts.items()})
