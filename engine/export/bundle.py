"""One readable file out of a module and all that it imports from this program."""

import ast
import importlib.util
from pathlib import Path

OURS = ("engine.",)


def bundle(module: str, note: str) -> str:
    """Return the source of `module` joined with that of each module of this program that it imports, in order, under
    one head.

    Imports from elsewhere are written once at the top. Only `from engine.… import NAME` is followed, at the top of
    a module and without `as`. note: one line on the file's origin. Raises ValueError for other imports.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    _collect(module, found)
    head = list(dict.fromkeys(line for _, lines in found.values() for line in lines))
    opening = ast.get_docstring(ast.parse(_source(module)), clean=False) or ""
    bodies = [body.strip("\n") for body, _ in found.values()]
    plain = sorted(line for line in head if line.startswith("import "))
    parts = sorted(line for line in head if not line.startswith("import "))
    top = "\n".join([f'"""{opening}"""', "", f"# {note}", "", *plain, *parts])
    return "\n\n\n".join([top, *bodies]) + "\n"


def _collect(module: str, found: dict[str, tuple[str, list[str]]]) -> None:
    if module in found:
        return
    source = _source(module)
    tree = ast.parse(source)
    lines = source.splitlines()
    outside: list[str] = []
    for index, node in enumerate(tree.body):
        doc = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OURS):
            if any(name.asname for name in node.names):
                raise ValueError(f"{module} renames what it imports from {node.module}")
            _collect(str(node.module), found)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if isinstance(node, ast.Import) and any(name.name.startswith(OURS) for name in node.names):
                raise ValueError(f"{module} imports a whole module of this program")
            outside += _single(node)
        elif not doc:
            continue
        for number in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[number] = ""
    found[module] = "\n".join(lines), outside


def _single(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return an import as lines of one name each, so that equal ones can be merged."""
    made = []
    for name in node.names:
        one = ast.Import([name]) if isinstance(node, ast.Import) else ast.ImportFrom(node.module, [name], 0)
        made.append(ast.unparse(one))
    return made


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {module}")
    return Path(spec.origin).read_text(encoding="utf-8")
