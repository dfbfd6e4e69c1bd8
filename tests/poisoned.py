"""A home in which every text that a person or another program could have written is poisoned: names, tags, labels,
paths, logs, errors. What shows it must show no control character."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.base.folders import JobFolder, RunFolder
from engine.base.home import Home
from engine.base.trash import discard_run
from engine.jobs.files import Progress, Result, new_job_folder, write_progress, write_result
from engine.runs.checkpoints import resolve, set_tag
from engine.runs.export import export_checkpoint
from tests.torchless import trained_run

POISON = "\x1b]0;PWNED\x07\x1b]52;c;aGk=\x07\x1b[31m\x9b31m[red]\u202e\u2066\x85\rq\n\tz"
"""The title, the clipboard, colours in C0 and C1, markup, marks of direction, ends of lines."""

HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

FREE = {
    "profile_name", "created", "parent", "changes", "device_name", "reasons", "architecture", "torch_version",
    "label", "path", "partition", "source", "split_by", "title", "reason", "hint", "message", "text", "phase",
    "unit", "description", "run", "summary", "recorded", "versions", "folder", "dataset", "extractor",
}  # fmt: skip
"""Fields of records that hold words; what others hold is one of a few words that the program knows."""


def poison_record(path: Path, every: bool) -> None:
    """Put POISON before the words of a JSON file; with `every` before every text that is in it."""

    def poisoned(value: Any, chosen: bool) -> Any:
        if isinstance(value, dict):
            return {key: poisoned(item, every or key in FREE) for key, item in value.items()}
        if isinstance(value, list):
            return [poisoned(item, chosen) for item in value]
        return POISON + value if isinstance(value, str) and chosen else value

    path.write_text(json.dumps(poisoned(json.loads(path.read_text()), False), ensure_ascii=False))


def poisoned_home(root: Path, every: bool) -> Home:
    """Runs `cats` and `dogs`, a branch-like record, a job in each ending, data, samples, trash and the export `ex`.

    every: poison all that is text, so that most records are damaged; else only what the program takes as it is.
    """
    home = Home(root).create()
    cats, dogs = trained_run(home, "cats", 3), trained_run(home, "dogs", 2)
    discard_run(home, trained_run(home, "gone", 1))
    set_tag(cats, "kept", 7)
    parent, info = resolve(home, "cats@latest")
    export_checkpoint(parent, info, root / "ex")
    _samples(cats)
    _evaluation(cats)
    _data(home)
    for number, outcome in enumerate(("done", "failed", "stopped"), 1):
        _job(home, dogs, outcome, number)
    for path in sorted(root.rglob("*.json")):
        poison_record(path, every)
    tags = {POISON + "tag": 7, "kept": 7}
    cats.tags.write_text(json.dumps(tags))
    (home.runs / f"a{POISON}".replace("/", "-")).mkdir()
    (home.runs / f"a{POISON}".replace("/", "-") / "run.json").write_text("{}")
    (home.data / f"d{POISON}").mkdir()
    (home.data / f"d{POISON}" / "source.json").write_text("{}")
    (home.profiles / f"p{POISON}.toml").write_text('description = "x"\n')
    (home.profiles / "mine.toml").write_text(f"description = {json.dumps(POISON)}\n# {_comment()}\n")
    (home.profiles / "bad.toml").write_text(f"[data]\n{json.dumps(POISON)} = {json.dumps(POISON)}\n")
    (home.studies / "mine.toml").write_text(f"title = {json.dumps(POISON)}\n")
    home.settings.write_text(f"[queue]\non_end = {json.dumps(POISON)}\n{json.dumps(POISON)} = 1\n")
    home.keymap.write_text(f"[queue]\npause = {json.dumps(POISON)}\n{json.dumps(POISON)} = 'x'\n")
    home.engine_log.write_text(POISON + "\n")
    return home


def _comment() -> str:
    """In a comment of a TOML file there may be no C0 control, but all others."""
    return re.sub("[\x00-\x1f]", "", POISON)


def _job(home: Home, run: RunFolder, outcome: str, number: int) -> JobFolder:
    folder = new_job_folder(home, "train", run.name, {"to_epoch": 4, "note": POISON})
    code = {"done": 0, "failed": 1, "stopped": 75}[outcome]
    write_progress(folder, Progress(POISON, number, 10, POISON, text=POISON, time=1.0))
    write_result(folder, Result(outcome, code, POISON, POISON, run.name))
    folder.log.write_text(f"2026-01-01 00:00:00 {POISON}\n{POISON}\n")
    return folder


def _samples(run: RunFolder) -> None:
    folder = run.sample("000001")
    folder.path.mkdir(parents=True)
    np.save(folder.pictures, np.zeros((4, 16, 16, 3), np.uint8))
    Image.new("RGB", (32, 32)).save(folder.grid)
    folder.record.write_text(json.dumps({"checkpoint": 7, "n": 4, "created": "x", "sampler": "ddim"}))


def _evaluation(run: RunFolder) -> None:
    run.evaluations.mkdir()
    (run.evaluations / "00000007-aa.json").write_text(
        json.dumps({"format": 1, "checkpoint": 7, "scores": {}})
    )


def _data(home: Home) -> None:
    folder = home.source("dots")
    folder.path.mkdir()
    record = {
        "format": 1,
        "name": "dots",
        "kind": "folder",
        "path": "/nowhere",
        "pictures": 3,
        "total_bytes": 9,
    }
    folder.record.write_text(json.dumps({**record, "fingerprint": "x", "celeba": False, "partition": None}))
