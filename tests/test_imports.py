"""What each command brings into a fresh interpreter, and who may import whom.

A command line that imports torch takes seconds to print its help; these are the limits that keep it at once.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.base.home import Home
from engine.data.catalog import add_source
from engine.data.packing import pack
from tests.torchless import trained_run

NEVER = {"torch", "torchvision", "textual"}
HEAVY = {"pydantic", "tomlkit", "rich", "numpy", "platformdirs", "PIL", "psutil", "asyncio", "sqlite3"}

PROBE = """
import io, json, sys
sys.stdout, kept = io.StringIO(), sys.stdout
sys.stderr = io.StringIO()
from ddpm_tui.cli.main import run
try:
    code = run(json.loads(sys.argv[1]))
except SystemExit as ended:
    code = ended.code
modules = sorted({name.partition(".")[0] for name in sys.modules} | {n for n in sys.modules if n.startswith("engine.")})
print(json.dumps([code, modules, sys.stderr.getvalue()]), file=kept)
"""


def imported(tmp_path: Path, *arguments: str) -> tuple[int, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(arguments)],
        env={
            "DDPM_HOME": str(tmp_path / "home"),
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    code, modules, _ = json.loads(done.stdout)
    return code, set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["runs", "--help"],
        ["train", "--help"],
        ["queue", "--help"],
        ["data", "add", "--help"],
    ],
    ids=" ".join,
)
def test_help_brings_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    code, modules = imported(tmp_path, *arguments)
    assert code == 0
    assert modules & (NEVER | HEAVY) == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["profiles", "list"],
        ["profiles", "validate"],
        ["runs", "list"],
        ["data", "list"],
        ["checkpoints", "list", "nothing"],
        ["train", "nothing"],
        ["completion", "bash"],
    ],
    ids=" ".join,
)
def test_commands_never_bring_torch_or_textual(tmp_path: Path, arguments: list[str]) -> None:
    _, modules = imported(tmp_path, *arguments)
    assert modules & NEVER == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "list"],
        ["runs", "show", "r"],
        ["runs", "compare", "r", "s"],
        ["runs", "branch", "r@latest", "--name", "b"],
        ["checkpoints", "list", "r"],
        ["checkpoints", "verify", "r"],
        ["checkpoints", "export", "r@latest", "EXPORT"],
        ["data", "list"],
        ["data", "show", "dots"],
        ["data", "verify", "dots"],
        ["profiles", "diff", "demo", "celeba32"],
        ["train", "r", "--to-epoch", "1"],
        ["runs", "delete", "s"],
        ["trash", "list"],
    ],
    ids=" ".join,
)
def test_nor_where_there_is_something_to_show(tmp_path: Path, pictures: Path, arguments: list[str]) -> None:
    """A filled home takes other ways through the code than an empty one."""
    home = Home(tmp_path / "home").create()
    add_source(home, pictures, "dots")
    pack(home, "dots", 16, "whole", processes=1)
    for name in ("r", "s"):
        trained_run(home, name, 2)
    given = [str(tmp_path / "export") if word == "EXPORT" else word for word in arguments]
    code, modules = imported(tmp_path, *given)
    assert modules & NEVER == set()
    assert code == 0


def test_asking_the_engine_brings_no_profiles(tmp_path: Path) -> None:
    """Asked again and again, by scripts and prompts; pydantic alone would triple its time."""
    _, modules = imported(tmp_path, "engine", "status")
    assert modules & {"pydantic", "numpy", "engine.config.profile"} == set()


@pytest.mark.parametrize(
    "module",
    [
        "engine.service.daemon",
        "engine.runs.checkpoints",
        "engine.data.packing",
        "engine.jobs.files",
        "engine.worker",
    ],
)
def test_rooms_without_torch(module: str) -> None:
    code = f"import sys, {module}; print(sorted(set(sys.modules) & {NEVER!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.slow
def test_import_contracts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert " 0 broken" in done.stdout
