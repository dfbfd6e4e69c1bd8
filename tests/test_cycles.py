"""No import cycles: among modules, nor among packages at any depth, imports inside functions included."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Graph = dict[str, set[str]]


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each (module, name) that a file imports when it runs, anywhere in it; the name is "" for `import module`."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.dump(tree.test):
        for node in tree.orelse:
            yield from imported(node)
        return
    if isinstance(tree, ast.Import):
        yield from ((alias.name, "") for alias in tree.names)
    elif isinstance(tree, ast.ImportFrom):
        assert tree.level == 0, "imports are absolute"
        yield from ((tree.module or "", alias.name) for alias in tree.names)
    for node in ast.iter_child_nodes(tree):
        yield from imported(node)


def graph_of(sources: Mapping[str, str]) -> Graph:
    """Which modules of `sources`, by dotted name, each of them imports."""
    found: Graph = {module: set() for module in sources}
    for module, source in sources.items():
        for other, name in imported(ast.parse(source)):
            target = f"{other}.{name}" if f"{other}.{name}" in sources else other
            if target in sources and target != module:
                found[module].add(target)
    return found


def sources() -> dict[str, str]:
    found = {}
    for package in ("ddpm_tui", "engine"):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text("utf-8")
    return found


def folded(graph: Graph, depth: int) -> Graph:
    """The same between packages: of each dotted name the first `depth` parts. A package and what is in it are one."""
    found: Graph = {}
    for module, others in graph.items():
        here = ".".join(module.split(".")[:depth])
        found.setdefault(here, set())
        for other in others:
            there = ".".join(other.split(".")[:depth])
            if not f"{here}.".startswith(f"{there}.") and not f"{there}.".startswith(f"{here}."):
                found[here].add(there)
    return found


def cycle(graph: Graph) -> list[str]:
    """The names of one cycle, or none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(sources())


def test_no_module_imports_itself_through_others(graph: Graph) -> None:
    assert len(graph) > 300
    assert cycle(graph) == []


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_nor_does_a_package(graph: Graph, depth: int) -> None:
    assert cycle(folded(graph, depth)) == []


@pytest.mark.parametrize(
    "second", ["import a.one", "def later():\n    from a import one", "class C:\n    from a.one import x"]
)
def test_deferred_imports_are_seen_and_those_for_types_are_not(second: str) -> None:
    modules = {
        "a.one": "from b.two import y",
        "b.two": second,
        "b.three": "",
        "a.four": "from b import three",
    }
    assert set(cycle(graph_of(modules))) == {"a.one", "b.two"}
    assert set(cycle(folded(graph_of(modules), 1))) == {"a", "b"}
    apart = {**modules, "b.two": "", "b.five": second}
    assert cycle(graph_of(apart)) == []
    assert set(cycle(folded(graph_of(apart), 1))) == {"a", "b"}, "two packages, though no two modules"
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a import one"
    assert cycle(graph_of({**modules, "b.two": types})) == []
