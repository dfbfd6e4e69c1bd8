"""Checkpoints appear whole, are told from damaged ones, and are named, tagged and thinned out as promised."""

import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base import files
from engine.base.errors import DamagedError, UserError
from engine.base.folders import CheckpointFolder
from engine.base.home import Home
from engine.runs.checkpoints import (
    Manifest,
    list_checkpoints,
    newest_whole,
    next_size,
    publish,
    read_manifest,
    read_tags,
    remove,
    remove_leftovers,
    resolve,
    set_tag,
    split_reference,
    verify,
    whole_tags,
)
from tests.torchless import publish_at, spoil_manifest, trained_run


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def unreadable(folder: CheckpointFolder) -> None:
    """The averaged weights are what the manifest says by name and size, and cannot be opened."""
    folder.ema.unlink()
    folder.ema.mkdir()
    entries = read_manifest(folder).files
    entries[folder.ema.name]["size"] = folder.ema.stat().st_size
    spoil_manifest(folder, files=entries)


# Publishing and reading.


def test_published_is_whole_and_nothing_else_is_there(home: Home) -> None:
    run = trained_run(home, "r", 1)
    folder = publish_at(run, 14, val_loss=0.25)
    assert verify(folder) is None
    manifest = read_manifest(folder)
    assert (manifest.step, manifest.epoch, manifest.val_loss) == (14, 2, 0.25)
    assert set(manifest.files) == {"model.safetensors", "ema.safetensors", "optimizer.safetensors"}
    assert sorted(os.listdir(run.checkpoints)) == ["00000007", "00000014"]


def test_the_size_of_the_next_is_the_newests_and_reads_no_other(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked before each checkpoint, of which there may be thousands."""
    assert next_size(trained_run(home, "new", 0)) == 0
    run = trained_run(home, "r", 4)
    infos = list_checkpoints(run)
    read: list[int] = []

    def reading(folder: CheckpointFolder) -> Manifest:
        read.append(folder.step)
        return read_manifest(folder)

    monkeypatch.setattr("engine.runs.checkpoints.read_manifest", reading)
    assert next_size(run) == infos[-1].size > 0
    assert read == [28]
    spoil_manifest(run.checkpoint(28), format=99)
    run.checkpoint(21).manifest.write_text("{")
    assert next_size(run) == infos[1].size
    assert read == [28, 28, 21, 14]


def test_a_failed_write_publishes_nothing_and_leaves_nothing(home: Home) -> None:
    run = trained_run(home, "r", 1)

    def write(folder: CheckpointFolder) -> None:
        folder.model.write_bytes(b"half")
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError):
        publish(run, Manifest(14, 2, 112, 0, 7, "a"), write)
    assert os.listdir(run.checkpoints) == ["00000007"]


def test_publishing_a_whole_step_again_keeps_the_first(home: Home) -> None:
    run = trained_run(home, "r", 1)
    before = read_manifest(run.checkpoint(7))
    publish_at(run, 7, train_loss=99.0)
    assert read_manifest(run.checkpoint(7)) == before


def test_publishing_over_a_damaged_one_moves_it_aside(home: Home) -> None:
    run = trained_run(home, "r", 1)
    alter(run.checkpoint(7).ema)
    publish_at(run, 7)
    assert verify(run.checkpoint(7)) is None
    assert [n for n in os.listdir(run.checkpoints) if ".damaged-" in n]
    assert [c.step for c in list_checkpoints(run)] == [7]


def test_leftovers_of_the_dead_go_and_checkpoints_stay(home: Home) -> None:
    run = trained_run(home, "r", 2)
    (run.checkpoints / ".00000021.ab.new").mkdir()
    shutil.copytree(run.checkpoint(7).path, run.checkpoints / ".00000007.removed")
    assert remove_leftovers(run) == 2
    assert sorted(os.listdir(run.checkpoints)) == ["00000007", "00000014"]


def test_removing_never_shows_half_a_checkpoint(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(home, "r", 2)
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if killed in the middle
    remove(run.checkpoint(7))
    assert [c.step for c in list_checkpoints(run)] == [14]


# Damage.


def digit(folder: CheckpointFolder, field: str) -> None:
    """Change the last digit of a number in the manifest, as a bad sector or an editor may."""
    text = folder.manifest.read_text()
    changed = re.sub(rf'("{field}": \d*)(\d)', lambda m: f"{m[1]}{(int(m[2]) + 1) % 10}", text, count=1)
    assert changed != text
    folder.manifest.write_text(changed)


DAMAGE = {
    "no manifest": (lambda f: f.manifest.unlink(), r"manifest of checkpoint 00000028 is missing"),
    "torn manifest": (lambda f: f.manifest.write_bytes(f.manifest.read_bytes()[:200]), "JSON"),
    "a list for a manifest": (lambda f: f.manifest.write_text("[]"), "does not hold a JSON object"),
    "manifest without a step": (lambda f: f.manifest.write_text('{"format": 1}'), "is incomplete"),
    "a step that is text": (lambda f: spoil_manifest(f, step="28"), "which must be a whole number"),
    "steps before the first": (
        lambda f: spoil_manifest(f, position=-1),
        "-1 for position, which must be 0 or more",
    ),
    "a figure that is text": (lambda f: spoil_manifest(f, eps_error="low"), "'low' for eps_error"),
    "a list of files": (
        lambda f: spoil_manifest(f, files=["model.safetensors"]),
        "for files, which must be a table",
    ),
    "a file without a size": (lambda f: spoil_manifest(f, files={"a": {"sha256": ""}}), "else for files"),
    "a file elsewhere": (
        lambda f: spoil_manifest(f, files={"../../run.json": {"size": 1, "sha256": ""}}),
        r"else for files\['\.\./\.\./run\.json'\]",
    ),
    "no weights": (lambda f: f.model.unlink(), r"model\.safetensors is missing"),
    "truncated weights": (lambda f: truncate(f.optimizer), r"optimizer\.safetensors is truncated"),
    "altered weights": (lambda f: alter(f.ema), r"ema\.safetensors has been altered"),
    "unreadable weights": (unreadable, r"ema\.safetensors cannot be read \(Is a directory\)"),
    "a digit that changed": (lambda f: digit(f, "metrics_offset"), "has been altered"),
    "a step that changed": (lambda f: digit(f, "step"), "has been altered"),
    "another's manifest": (lambda f: spoil_manifest(f, step=21), "is that of step 21"),
    "newer format": (
        lambda f: spoil_manifest(f, format=99),
        r"newer ddpm-tui \(format 99, this one reads 1\) — update",
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_and_passed_over(home: Home, kind: str) -> None:
    spoil, words = DAMAGE[kind]
    run = trained_run(home, "r", 4)
    spoil(run.checkpoint(28))
    problem = verify(run.checkpoint(28))
    assert problem is not None
    assert re.search(words, problem)
    said: list[str] = []
    newest = newest_whole(run, said.append)
    assert newest is not None
    assert newest.step == 21
    assert len(said) == 1
    assert "checkpoint 28 is damaged and is skipped" in said[0]


def test_a_list_shows_damage_without_reading_the_weights(home: Home) -> None:
    run = trained_run(home, "r", 2)
    truncate(run.checkpoint(14).model)
    first, second = list_checkpoints(run)
    assert first.problem is None
    assert second.manifest is None
    assert second.size == 0
    assert "truncated" in str(second.problem)
    with pytest.raises(DamagedError, match="truncated"):
        second.whole()


def test_unknown_keys_of_a_later_version_are_left_out(home: Home) -> None:
    run = trained_run(home, "r", 1)
    spoil_manifest(run.checkpoint(7), mood="good")
    assert read_manifest(run.checkpoint(7)).step == 7


def test_newest_before_a_step(home: Home) -> None:
    run = trained_run(home, "r", 4)
    found = newest_whole(run, before=20)
    assert found is not None
    assert found.step == 14
    assert newest_whole(run, before=3) is None


# Names.


@pytest.mark.parametrize(
    ("which", "step"),
    [("", 28), ("@latest", 28), ("@best", 21), ("@14", 14), ("@e2", 14), ("@e1", 7), ("@nice", 7)],
)
def test_what_a_reference_means(home: Home, which: str, step: int) -> None:
    run = trained_run(home, "r", 4)
    set_tag(run, "nice", 7)
    assert resolve(home, f"r{which}")[1].step == step


def test_latest_is_the_newest_that_is_not_damaged(home: Home) -> None:
    run = trained_run(home, "r", 4)
    truncate(run.checkpoint(28).model)
    assert resolve(home, "r")[1].step == 21
    with pytest.raises(DamagedError, match="truncated"):
        resolve(home, "r@28")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("q", "no run named 'q'"),
        ("r@", "does not name a checkpoint"),
        ("@latest", "does not name a checkpoint"),
        ("r@29", "no checkpoint of 'r' named '29'"),
        ("r@e9", "'e9', the end of epoch 9 — kept are those of epochs 1, 2; see"),
        ("empty@e9", "has no checkpoint yet"),
        ("r@lates", "did you mean 'latest'"),
        ("empty", "has no checkpoint yet"),
    ],
)
def test_references_that_mean_nothing(home: Home, reference: str, words: str) -> None:
    trained_run(home, "r", 2)
    trained_run(home, "empty", 0)
    with pytest.raises(UserError, match=words):
        resolve(home, reference)


def test_an_epoch_in_the_middle_is_no_epoch(home: Home) -> None:
    run = trained_run(home, "r", 1)
    publish_at(run, 10)
    assert resolve(home, "r@e1")[1].step == 7


def test_best_needs_a_score(home: Home) -> None:
    run = trained_run(home, "r", 0)
    publish_at(run, 7)
    with pytest.raises(UserError, match="no scored checkpoint"):
        resolve(home, "r@best")


@given(st.text(max_size=20))
def test_splitting_never_fails_otherwise(text: str) -> None:
    try:
        run, which = split_reference(text)
    except UserError:
        return
    assert run
    assert which
    assert "@" not in run


# Tags.


def test_tags_move_and_go(home: Home) -> None:
    run = trained_run(home, "r", 3)
    set_tag(run, "nice", 7)
    set_tag(run, "odd", 7)
    set_tag(run, "nice", 14)
    assert read_tags(run) == {"nice": 14, "odd": 7}
    assert [c.tags for c in list_checkpoints(run)] == [("odd",), ("nice",), ()]
    set_tag(run, "odd", None)
    assert read_tags(run) == {"nice": 14}
    with pytest.raises(UserError, match="no tag named 'nicee' — did you mean 'nice'"):
        set_tag(run, "nicee", None)


@pytest.mark.parametrize("tag", ["latest", "best", "12", "e5", "", "a b", "../x"])
def test_words_that_cannot_be_tags(home: Home, tag: str) -> None:
    with pytest.raises(UserError):
        set_tag(trained_run(home, "r", 1), tag, 7)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": "x"}', "null"])
def test_a_damaged_tag_file_is_no_tags(home: Home, content: str) -> None:
    run = trained_run(home, "r", 1)
    run.tags.write_text(content)
    assert read_tags(run) == {}
    assert [c.tags for c in list_checkpoints(run)] == [()]
    with pytest.raises(DamagedError, match=r"the list of tags of run 'r'.*fix or delete that file"):
        set_tag(run, "nice", 7)
    assert run.tags.read_text() == content


def test_two_who_tag_at_once_lose_no_tag(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained_run(home, "r", 2)
    monkeypatch.setattr(files, "LOOK_S", 60.0)
    with files.FileLock.acquire(run.tags_lock, "the tags"):
        tags = whole_tags(run)
        other = threading.Thread(target=set_tag, args=(run, "b", 14))
        other.start()
        other.join(0.2)
        files.write_json(run.tags, {**tags, "a": 7})
    other.join()
    assert read_tags(run) == {"a": 7, "b": 14}
