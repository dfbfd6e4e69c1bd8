"""Temporary files and folders of killed processes below the home, and their removal once no process can be using
them.

`kill -9` leaves an unfinished file (`.NAME.HEX.tmp`, beside the file that it would replace), an unfinished folder
(`.NAME.new`), one that was being removed (`.NAME.removed`), and an empty folder in the trash. Files and folders get
their own names only when they are complete, so these appear in no list; they only use space.
"""

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from engine.base.files import is_locked
from engine.base.folders import PackedFolder, RunFolder
from engine.base.home import Home

ABANDONED_S = 86400.0
"""The age after which no process can still be writing a file or a folder. It is measured so that setting the clock
does not shorten it.
"""

_FILE = re.compile(r"\..+\.tmp")
_FOLDER = re.compile(r"\..+\.(new|removed)|\.new-[0-9a-f]{12}")


def sweep(home: Home) -> int:
    """Remove leftovers that are more than a day old; return their number. Never raises for those that cannot be
    removed.
    """
    gone = 0
    for path in _found(home):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if time.time() - max(status.st_mtime, status.st_ctime) < ABANDONED_S:
                continue
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(path)
            else:
                path.unlink()
            gone += 1
    return gone


def _found(home: Home) -> Iterator[Path]:
    """Yield everything that looks like a leftover, in the folders that this program writes to."""
    for folder in (
        home.root,
        home.profiles,
        home.studies,
        home.runs,
        home.jobs,
        home.samples,
        home.evaluations,
    ):
        yield from _in(folder)
    for job in _folders(home.jobs):
        yield from _in(job)
    for run in map(RunFolder, _folders(home.runs)):
        if not is_locked(run.lock):  # a worker may write its files for a long time
            for folder in (run.path, run.checkpoints, run.previews, run.samples, run.evaluations):
                yield from _in(folder)
    for packed in map(PackedFolder, _folders(home.data)):
        if not is_locked(packed.lock):
            yield from _in(packed.path)
            if packed.manifest.exists():  # it is complete: the journal of packing has no further use
                yield from packed.path.glob("journal.jsonl")
    for place in _folders(home.trash):
        if not any(name != "trash.json" for name in _names(place)):
            yield place


def _in(folder: Path) -> Iterator[Path]:
    for name in _names(folder):
        path = folder / name
        if _FILE.fullmatch(name) or (_FOLDER.fullmatch(name) and path.is_dir() and not path.is_symlink()):
            yield path


def _folders(parent: Path) -> list[Path]:
    return [parent / n for n in _names(parent) if not n.startswith(".") and (parent / n).is_dir()]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
