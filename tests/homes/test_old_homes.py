"""Homes that earlier versions wrote open, resume to the same bits and finish (`make_home.py` makes such homes)."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.base.home import Home
from tests import forked
from tests.e2e.tui_home import stop_engine
from tests.homes.make_home import PLACE, cpu, weights

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(900)]

HOMES = sorted(Path(__file__).parent.glob("*.tar.xz"))


@dataclass(frozen=True)
class OldHome:
    """A home as an earlier version left it, and the facts that were noted when it was made."""

    path: Path
    facts: dict[str, Any]

    def ddpm(self, *words: str, code: int = 0) -> str:
        """Run the program on this home; its standard output. `code`: the exit code that is right."""
        env = {**os.environ, "DDPM_HOME": str(self.path), "OMP_NUM_THREADS": "1", "DDPM_KEEPER": "itself"}
        env |= forked.variables()
        done = subprocess.run(
            [sys.executable, "-m", "ddpm_tui", *words], env=env, text=True, capture_output=True, check=False
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout

    def jobs(self) -> dict[str, dict[str, Any]]:
        return {job["id"]: job for job in json.loads(self.ddpm("queue", "list", "--json"))["jobs"]}


@pytest.fixture(params=HOMES, ids=[path.name.removesuffix(".tar.xz") for path in HOMES])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OldHome]:
    with tarfile.open(request.param) as tar:
        tar.extractall(tmp_path, filter="data")
    root = tmp_path / "home"
    for path in root.rglob("*"):
        if path.is_file() and PLACE.encode() in (content := path.read_bytes()) and path.suffix != ".db":
            path.write_bytes(content.replace(PLACE.encode(), os.fsencode(root)))
    settings = root / "settings.toml"
    settings.write_text(settings.read_text().replace("retry_delay_s = 600", "retry_delay_s = 0"))
    yield OldHome(root, json.loads((root / "facts.json").read_text()))
    stop_engine(Home(root))


def test_an_old_home_opens_resumes_to_the_same_bits_and_finishes(old: OldHome) -> None:
    the_lists_show_what_there_is(old)
    the_trash_gives_back(old)
    jobs = old.facts["jobs"]

    found = old.jobs()
    assert set(jobs.values()) <= set(found)
    for state in ("done", "failed", "cancelled", "held", "paused"):
        assert found[jobs[state]]["state"] == state
    old.ddpm(
        "queue", "cancel", jobs["starting"]
    )  # wants a card, which a machine that runs this test may not have
    old.ddpm("queue", "resume", jobs["held"], jobs["paused"])
    old.ddpm("queue", "cancel", jobs["interrupted"])  # has a long way to go
    old.ddpm("queue", "wait", *(jobs[name] for name in ("held", "paused", "running", "queued", "after")))

    expected = old.facts["weights"]["parent at epoch 6"]
    assert json.loads(old.ddpm("runs", "show", "parent", "--json"))["epoch"] == 6
    now = weights(old.path / "runs/parent")
    assert set(now) == set(expected)
    if old.facts["cpu"] == cpu():
        assert now == expected
    old.ddpm("train", "shaken", "--to-epoch", "3")
    old.ddpm("sample", "branch@latest", "-n", "1")
    old.ddpm("sample", str(old.path / "exported") + "/", "-n", "1")
    old.ddpm("checkpoints", "verify", "parent")


def the_lists_show_what_there_is(old: OldHome) -> None:
    runs = {run["run"]: run for run in json.loads(old.ddpm("runs", "list", "--json"))}
    assert set(runs) == {"parent", "finished", "branch", "fresh", "shaken"}
    assert "first" in old.ddpm("checkpoints", "list", "parent")
    assert "tiny" in old.ddpm("profiles", "list")
    assert "dots" in old.ddpm("data", "list")
    assert "eps" in old.ddpm("checkpoints", "show", "parent@e2")
    old.ddpm("data", "verify", "dots")
    old.ddpm("runs", "metrics", "parent")
    old.ddpm("runs", "compare", "parent", "branch")
    old.ddpm("doctor")


def the_trash_gives_back(old: OldHome) -> None:
    trash = old.ddpm("trash", "list")
    assert "gone" in trash
    old.ddpm("runs", "restore", "gone")
    old.ddpm("checkpoints", "restore", "finished@4")
    gone = old.path / "runs/gone/checkpoints/00000004"
    manifest = json.loads((gone / "manifest.json").read_text())["files"]
    for name, entry in manifest.items():
        assert hashlib.sha256((gone / name).read_bytes()).hexdigest() == entry["sha256"]
