"""What CONTRIBUTING.md says of adding something is all that it takes: new files, and one line in a table.

Each folder beside this file is one such change: `new/` has its files, `lines.toml` the lines it adds, `check.py` what
must be true of the program then. It is made in a copy of the program.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHANGES = sorted(path.parent.name for path in HERE.glob("*/lines.toml"))


def apply(change: Path, tree: Path) -> list[str]:
    """Make the change in `tree`; returns the files that got a line."""
    shutil.copytree(change / "new", tree, dirs_exist_ok=True)
    lines = tomllib.loads((change / "lines.toml").read_text(encoding="utf-8"))
    for name, entry in lines.items():
        path = tree / name.partition("#")[0]
        text = path.read_text(encoding="utf-8")
        assert text.count(entry["after"]) == 1, f"{path} has no one place after {entry['after']!r}"
        sign = "" if entry["line"].startswith((' "', "\n")) else "\n"
        path.write_text(text.replace(entry["after"], entry["after"] + sign + entry["line"]), encoding="utf-8")
    return [name.partition("#")[0] for name in lines]


def test_each_way_to_add_something_has_its_change() -> None:
    assert CHANGES == ["kind", "launcher", "sampler", "schedule", "score", "screen"]


@pytest.mark.parametrize("name", CHANGES)
def test_one_new_file_and_one_line_are_enough(tmp_path: Path, name: str) -> None:
    tree = tmp_path / "tree"
    leave = shutil.ignore_patterns("__pycache__", "homes", "*.svg", "*.png")
    for folder in ("ddpm_tui", "engine", "profiles", "tests"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=leave)
    changed = apply(HERE / name, tree)
    assert len(set(changed)) == 1, "one table"
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"`{changed[0]}`" in page
    environment = {**os.environ, "PYTHONPATH": str(tree), "DDPM_HOME": str(tmp_path / "home")}
    run = [sys.executable, str(HERE / name / "check.py")]
    ended = subprocess.run(run, cwd=tree, env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-4000:]
