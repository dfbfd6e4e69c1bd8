"""A name means one thing: no class is called like another, and no list of words is written twice."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    paths = (path for package in ("ddpm_tui", "engine") for path in (ROOT / package).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def test_no_class_is_called_like_another(trees: dict[str, ast.Module]) -> None:
    """Classes inside classes are left out: a message of a widget goes by the widget's name."""
    found = defaultdict(list)
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    assert len(found) > 300
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def literals(tree: ast.AST) -> Iterator[frozenset[str]]:
    """The words of each `Literal[…]` of two or more."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == "Literal"
        ):
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            words = [
                one.value for one in items if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if len(words) > 1:
                yield frozenset(words)


def test_no_list_of_words_is_written_twice(trees: dict[str, ast.Module]) -> None:
    found = defaultdict(list)
    for path, tree in trees.items():
        for words in literals(tree):
            found[words].append(path)
    assert {", ".join(sorted(words)): paths for words, paths in found.items() if len(paths) > 1} == {}
