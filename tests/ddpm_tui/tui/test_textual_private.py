"""What is used of Textual's private names is there in the versions that the program may be installed with."""

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import textual

from ddpm_tui.tui import textual_private

ROOT = Path(__file__).parents[3]
MODULE = Path(textual_private.__file__)


def private_names() -> set[str]:
    """Those that the module reads, calls, overrides or imports and does not make itself."""
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    found, made = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            (made if isinstance(node.ctx, ast.Store) else found).add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and re.match(r"_[a-z]", node.name):
            found.add(node.name)
        elif isinstance(node, ast.ImportFrom) and "._" in (node.module or ""):
            found |= {alias.name for alias in node.names} | {str(node.module).rpartition(".")[2]}
    return found - made - own - {"_waiters"}  # of asyncio.Event


def missing_from(package: Path) -> set[str]:
    """The names that a version of Textual, given its folder, does not define."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in package.glob("*.py"))
    modules = {path.stem for path in package.glob("*.py")}
    return {
        name
        for name in private_names() - modules
        if not re.search(rf"(def|class) {name}\b|self\.{name}\b.*=|^ *{name}\b.*=", text, re.MULTILINE)
    }


def test_every_private_name_is_there() -> None:
    assert len(private_names()) > 15
    assert missing_from(Path(textual.__file__).parent) == set()


def test_a_name_that_is_gone_is_found(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("class App:\n    def _display(self): ...\n")
    gone = missing_from(tmp_path)
    assert "_screen_stacks" in gone
    assert "_display" not in gone


def test_it_is_said_with_which_versions_it_holds_and_others_are_not_installed() -> None:
    oldest, newest = textual_private.HOLDS_FROM, textual_private.HOLDS_TO
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (needed,) = (one for one in needs if re.match(r"textual\b", one))
    assert needed == f"textual>={oldest},<{int(newest.partition('.')[0]) + 1}"
    numbers = [tuple(map(int, one.split("."))) for one in (oldest, version("textual"), newest)]
    assert numbers == sorted(numbers), f"Textual {version('textual')}: try it, and set HOLDS_TO"


def test_no_other_module_imports_what_is_private() -> None:
    for path in (ROOT / "ddpm_tui").rglob("*.py"):
        if path != MODULE:
            assert not re.search(r"(from|import) textual[\w.]*\._", path.read_text(encoding="utf-8")), path
