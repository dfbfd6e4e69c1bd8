"""Records of other versions: older ones are migrated, what newer ones added is kept when a record is written again."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DamagedError
from engine.base.home import Home
from engine.base.seals import write_sealed
from engine.config.profile import Profile
from engine.data import catalog
from engine.data.catalog import add_source, load_source
from engine.runs import manifest, stored
from engine.runs.branch import branch_run
from engine.runs.checkpoints import read_manifest, resolve, verify
from engine.runs.record import create_run, freeze, load_run, rename_run
from tests.torchless import trained_run


def _edit(path: Path, **changes: Any) -> None:
    """What another version would have written: with a digest that is right."""
    write_sealed(path, json.loads(path.read_text()) | changes)


def _says(path: Path) -> Any:
    return json.loads(path.read_text())


def test_freezing_and_renaming_keep_what_a_newer_version_wrote(home: Home) -> None:
    trained_run(home, "parent", 2)
    branch_run(home, *resolve(home, "parent@e1"), [], "child")
    child = home.run("child").record
    _edit(child, labels={"of": "celeba"}, lineage=_says(child)["lineage"] | {"why": "to see"})
    _edit(home.run("parent").record, owner="ada")

    freeze(home.run("child"), horizon_epochs=9)
    rename_run(home, "parent", "mother")
    rename_run(home, "child", "daughter")

    said = _says(home.run("daughter").record)
    assert said["labels"] == {"of": "celeba"}
    assert said["lineage"]["why"] == "to see"
    assert (said["lineage"]["parent"], said["name"], said["frozen"]["horizon_epochs"]) == (
        "mother",
        "daughter",
        9,
    )
    assert _says(home.run("mother").record)["owner"] == "ada"
    assert load_run(home, "daughter").frozen["horizon_epochs"] == 9


def test_a_branch_keeps_what_a_newer_version_wrote_of_its_checkpoint(home: Home) -> None:
    parent = trained_run(home, "parent", 1)
    folder = resolve(home, "parent@e1")[1].folder
    _edit(folder.manifest, guidance=2.5)
    branch_run(home, *resolve(home, "parent@e1"), [], "child")
    target = home.run("child").checkpoint(folder.step)
    assert _says(target.manifest)["guidance"] == 2.5
    assert verify(target) is None
    assert parent.record.is_file()


def test_adding_a_data_set_again_keeps_what_a_newer_version_wrote(home: Home, pictures: Path) -> None:
    add_source(home, pictures, "dots")
    path = home.source("dots").record
    path.write_text(json.dumps(_says(path) | {"labels": "list_attr.txt"}))
    add_source(home, pictures, "dots")
    assert _says(path)["labels"] == "list_attr.txt"
    assert load_source(home, "dots").name == "dots"


def test_an_older_run_is_migrated_when_read_and_kept_when_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run(home, "r", Profile(), "celeba32")
    path = home.run("r").record
    before = path.read_bytes()

    def rename_a_field(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "profile_name": old["profile_name"].upper()}

    monkeypatch.setattr(stored, "FORMAT", 3)
    monkeypatch.setattr(stored, "MIGRATIONS", {1: rename_a_field, 2: lambda old: old | {"frozen": {"a": 1}}})
    read = load_run(home, "r")
    assert (read.profile_name, read.frozen) == ("CELEBA32", {"a": 1})
    assert path.read_bytes() == before

    freeze(home.run("r"), b=2)
    assert path.with_name("run.json.format-1").read_bytes() == before
    assert (_says(path)["format"], _says(path)["frozen"]) == (3, {"a": 1, "b": 2})
    freeze(home.run("r"), c=3)
    assert not list(path.parent.glob("run.json.format-[23]"))


def test_a_format_that_never_was_is_damage(home: Home) -> None:
    create_run(home, "r", Profile(), "celeba32")
    _edit(home.run("r").record, format=0)
    with pytest.raises(DamagedError, match="has format 0, which no ddpm-tui wrote"):
        load_run(home, "r")


def test_older_manifests_and_sources_are_migrated(
    home: Home, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_run(home, "r", 1)
    add_source(home, pictures, "dots")
    folder = resolve(home, "r@e1")[1].folder
    monkeypatch.setattr(manifest, "FORMAT", 2)
    monkeypatch.setattr(manifest, "MIGRATIONS", {1: lambda old: old | {"lr": 0.5}})
    assert (read_manifest(folder).lr, read_manifest(folder).format) == (0.5, 2)
    monkeypatch.setattr(catalog, "FORMAT", 2)
    monkeypatch.setattr(catalog, "MIGRATIONS", {1: lambda old: old | {"pictures": 7}})
    assert load_source(home, "dots").pictures == 7
