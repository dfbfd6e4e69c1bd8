"""Random and structured damage to every kind of file in a real home, met by every reader and listing.

Nothing may hang, show a traceback or end with a code that docs/engine.md does not name; what is whole is still listed.
DDPM_FUZZ_S sets the seconds (`make soak`: an hour), DDPM_FUZZ_SEED repeats a run; both are printed.
"""

import contextlib
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from ddpm_tui.cli.main import run as cli
from ddpm_tui.tui.keymap import read_keymap
from ddpm_tui.tui.state.reading import RunReader, jobs_on_disk, profile_names
from engine.base.errors import DdpmError
from engine.base.files import write_json
from engine.base.folders import SampleFolder
from engine.base.home import Home, shipped_profiles
from engine.base.trash import discard_run
from engine.data.catalog import add_source
from engine.data.packing import pack
from engine.jobs.files import (
    Progress,
    Result,
    list_job_folders,
    new_job_folder,
    read_progress,
    read_result,
    write_progress,
    write_result,
)
from engine.runs.branch import branch_run
from engine.runs.checkpoints import list_checkpoints, set_tag
from engine.runs.evaluations import Reference, Score, write_evaluation
from engine.runs.export import export_checkpoint
from engine.service.queue import Queue
from engine.service.settings import read_settings
from tests.torchless import trained_run

SECONDS = float(os.environ.get("DDPM_FUZZ_S", "15"))
SEED = int(os.environ.get("DDPM_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
HANG_S = 60.0
"""Of one reader: a second where the machine is idle, and many where it is not."""

CODES = {0, 1, 2, 73, 75}
ODD_VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 1e308, 10**30, "", "x", "../../x", "\ud800", "\udcff", "\x1b[2J", "٣", [], {}, [[]],
    {"a": {}}, ["x"] * 50, "9" * 50, float("nan"),
]  # fmt: skip
ODD_TEXTS = [
    b"", b"{", b"[]", b"null", b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe{\x00}\x00", b"\x00" * 500,
    b"\xef\xbb\xbf{}", b"a = " + b"[" * 3000, b".".join([b"a"] * 3000) + b" = 1", b"a = " + b"9" * 5000,
    b'{"format": ' + b"9" * 5000 + b"}",
    b'"' * 9999, b"\r\n" * 99, b"[queue]\nclose = 1\n" * 2, b"\xc3\x28",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Home:
    """One of each kind of file that another program, a bad disk or a hand may spoil."""
    home = Home(tmp_path_factory.mktemp("odd") / "home").create()
    add_source(home, pictures, "dots")
    pack(home, "dots", 16, "whole", processes=1)
    run = trained_run(home, "r", 3)
    branch_run(home, run, list_checkpoints(run)[1], ["optim.lr=1e-4"], "b")
    trained_run(home, "whole", 1)
    discard_run(home, trained_run(home, "gone", 1))
    set_tag(run, "nice", 7)
    export_checkpoint(run, list_checkpoints(run)[-1], home.root / "export")
    reference = Reference("dots", "held_out", 2, "f")
    score = Score(
        "val_loss",
        0.5,
        0.4,
        0.6,
        2,
        "lower",
        "",
        None,
        "whole",
        16,
        None,
        None,
        None,
        0,
        "ema",
        reference,
        1.0,
    )
    write_evaluation(run, 14, 2.0, "ema", {"val_loss": score}, "000009")
    sample = SampleFolder(run.samples / "000001")
    sample.path.mkdir(parents=True)
    np.save(sample.pictures, np.zeros((2, 16, 16, 3), np.uint8))
    facts = {
        "format": 1,
        "run": "r",
        "checkpoint": 14,
        "epoch": 2.0,
        "n": 2,
        "sampler": "ddim",
        "steps": 3,
        "seed": 0,
    }
    write_json(
        sample.record, {**facts, "weights": "ema", "created": "2026-01-01T00:00:00+00:00", "seconds": 1.0}
    )
    for kind, args in (
        ("train", {"to_epoch": 4}),
        ("sample", {"checkpoint": "r@14"}),
        ("pack", {"dataset": "dots"}),
    ):
        job = new_job_folder(home, kind, "r", args, queue={"token": kind, "after": [], "priority": "high"})
        write_progress(job, Progress("training", 1, 2, loss=0.5))
    write_result(job, Result("done", 0, "it is done", extra={"seconds": 1.0}))
    home.settings.write_text('[queue]\non_crash = "hold"\ncrash_limit = 2\ndevices = ["cpu"]\n')
    home.keymap.write_text('[queue]\npause = "p"\n')
    (home.profiles / "mine.toml").write_text('description = "mine"\n[optim]\nlr = 1e-3\n')
    shutil.copy(shipped_profiles() / "studies" / "loss.toml", home.studies / "mine.toml")
    queue = Queue.open(home)
    queue.close()
    for each in queue.jobs.values():
        write_json(home.job(each.id).queue_note, each.to_wire())
    write_json(home.queue_note, {"on_hold": True})
    return home


COMMANDS = [
    ["runs", "list"], ["runs", "list", "--json"], ["runs", "show", "r"], ["runs", "compare", "r", "b"],
    ["runs", "metrics", "r"], ["checkpoints", "list", "r"], ["checkpoints", "verify", "r"],
    ["checkpoints", "list", "b"],
    ["trash", "list"], ["data", "list"], ["data", "show", "dots"], ["data", "verify", "dots"], ["profiles", "list"],
    ["profiles", "show", "mine"], ["profiles", "validate"], ["profiles", "diff", "mine", "demo"], ["keys"],
    ["study", "list"],
]  # fmt: skip


def commands(home: Home, words: list[str]) -> None:
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = cli(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    assert code in CODES, (code, said.getvalue())
    assert "Traceback" not in out.getvalue() + said.getvalue()
    if words == ["runs", "list"]:
        assert "whole" in out.getvalue(), "one bad item stopped the rest"


def engine_start(home: Home) -> None:
    """What an engine does with the files before it starts anything."""
    queue = Queue.open(home)
    queue.close()
    read_settings(home.settings)
    for problem in queue.problems.values():
        assert "\n" not in problem


def screens(home: Home) -> None:
    """What the terminal app reads by itself."""
    from ddpm_tui.tui.state.profile_facts import ProfileReader
    from ddpm_tui.tui.state.samples import GalleryReader

    assert "whole" in {view.name for view in RunReader(home).read()}
    jobs_on_disk(home)
    profile_names(home)
    read_keymap(home.keymap)
    GalleryReader(home).read(("r", "b"))
    ProfileReader(home).read()
    for folder in list_job_folders(home):
        read_progress(folder)
        read_result(folder)


READERS: list[tuple[str, Callable[[Home], None]]] = [
    *((" ".join(words), lambda home, words=words: commands(home, words)) for words in COMMANDS),
    ("engine start", engine_start),
    ("screens", screens),
]


def targets(home: Home) -> list[Path]:
    kinds = {".json", ".jsonl", ".toml", ".db", ".u8"}
    return sorted(path for path in home.root.rglob("*") if path.suffix in kinds and path.is_file())


def damage(path: Path, chance: random.Random) -> str:
    """Spoil one file; what was done, in words."""
    content = path.read_bytes()
    ways: list[Callable[[], str]] = [
        lambda: _bytes(path, content, chance), lambda: _text(path, chance), lambda: _kind(path, chance),
    ]  # fmt: skip
    if path.suffix == ".json":
        ways += [lambda: _value(path, content, chance)] * 5
    if path.suffix == ".db":
        ways += [lambda: _cell(path, chance)] * 4
    return chance.choice(ways)()


def _bytes(path: Path, content: bytes, chance: random.Random) -> str:
    if not content:
        return "nothing"
    place, what = chance.randrange(len(content)), chance.choice(["flip", "cut", "insert", "zero", "twice"])
    changed = {
        "flip": content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :],
        "cut": content[:place],
        "insert": content[:place] + chance.randbytes(chance.randrange(1, 40)) + content[place:],
        "zero": content[:place] + bytes(len(content) - place),
        "twice": content + content,
    }[what]
    path.write_bytes(changed)
    return f"{what} at {place}"


def _text(path: Path, chance: random.Random) -> str:
    odd = chance.choice(ODD_TEXTS)
    path.write_bytes(odd)
    return f"content {odd[:20]!r}"


def _kind(path: Path, chance: random.Random) -> str:
    what = chance.choice(["pipe", "folder", "device", "itself", "sparse", "missing"])
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "itself":
        path.symlink_to(path.name)
    elif what == "sparse" and path.suffix not in (".jsonl", ".u8", ".db"):
        with open(path, "wb") as file:
            file.truncate(3 << 30)
    return what


def _value(path: Path, content: bytes, chance: random.Random) -> str:
    data = json.loads(content)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                walk(value[key])

    walk(data)
    if not places:
        return "nothing"
    table, key = chance.choice(places)
    odd = chance.choice([*ODD_VALUES, "delete"])
    if odd == "delete" and isinstance(table, dict):
        del table[key]
    else:
        table[key] = odd
    if isinstance(data, dict) and chance.random() < 0.7:
        data.pop("digest", None)  # as an older version wrote it: only the types protect it
    path.write_text(json.dumps(data))
    return f"{key} = {odd!r}"


def _cell(path: Path, chance: random.Random) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(jobs)")]
        column = chance.choice(columns)
        odd = chance.choice([None, -1, 2**62, 1.5, "", "x", "[", "[[", b"\xff", "../x", "9" * 99])
        with contextlib.suppress(sqlite3.IntegrityError):
            connection.execute(f'UPDATE jobs SET "{column}" = ? WHERE id = "000001"', (odd,))
        connection.commit()
    return f"{column} = {odd!r}"


@contextlib.contextmanager
def limited(what: str) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"{what} hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def put_back(whole: Path, home: Home) -> None:
    shutil.rmtree(home.root)
    shutil.copytree(whole, home.root, symlinks=True)


@pytest.mark.slow
@pytest.mark.timeout(SECONDS * 3 + 600)
def test_no_damaged_file_stops_a_reader_or_a_listing(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDPM_HOME", str(home.root))
    whole = tmp_path / "whole"
    shutil.copytree(home.root, whole)
    for name, read in READERS:
        with limited(name):
            read(home)  # of the whole home, too
    chance, end, tries, wrong = random.Random(SEED), time.monotonic() + SECONDS, 0, []
    while time.monotonic() < end and len(wrong) < 10:
        put_back(whole, home)
        path = chance.choice(targets(home))
        if "whole" in path.relative_to(home.root).parts:
            continue
        what = f"{path.relative_to(home.root)}: {damage(path, chance)}"
        for name, read in chance.sample(READERS, 4):
            tries += 1
            try:
                with limited(name):
                    read(home)
            except DdpmError as error:
                if "\n" in str(error):
                    wrong.append(f"{what}: {name}: more than a line: {error}")
            except Exception as error:
                wrong.append(f"{what}: {name}: {type(error).__name__}: {str(error)[:200]}")
    print(f"seed {SEED}: {tries} readings of damaged homes in {SECONDS:g} s, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong) + f"\nDDPM_FUZZ_SEED={SEED}"
