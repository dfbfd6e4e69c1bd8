"""Generate the pictures of docs/architecture.md: python docs/architecture/make.py

The layers come from the import contract and the actual imports, the job states from their table.
"""

import re
import tomllib
from pathlib import Path

import grimp

from engine.service.job_states import ENDED, STATES, State

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"


def layers() -> list[list[str]]:
    """Return the packages of each layer in pyproject.toml, from the top down."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def imports() -> dict[str, set[str]]:
    """Return the packages that each package imports directly."""
    graph = grimp.build_graph("ddpm_tui", "engine")
    packages = [name for layer in layers() for name in layer]
    found: dict[str, set[str]] = {name: set() for name in packages}
    for module in graph.modules:
        here = _package(module, packages)
        for other in graph.find_modules_directly_imported_by(module):
            there = _package(other, packages)
            if here and there and here != there:
                found[here].add(there)
    return found


def _package(module: str, packages: list[str]) -> str | None:
    return next((name for name in packages if module == name or module.startswith(f"{name}.")), None)


def needed(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the edges without those that a longer path implies."""

    def reach(name: str) -> set[str]:
        return edges[name].union(*(reach(other) for other in edges[name]))

    return {
        name: {to for to in others if not any(to in reach(via) for via in others - {to})}
        for name, others in edges.items()
    }


def layers_picture() -> str:
    lines = ["flowchart TD"]
    for name, others in needed(imports()).items():
        lines += [f"    {name} --> {other}" for other in sorted(others)]
    return "\n".join(lines)


def states_picture() -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {State.QUEUED}"]
    for state, facts in STATES.items():
        lines += [f"    {state} --> {after}" for after in State if after in facts.to]
    lines += [f"    {state} --> [*]" for state in State if state in ENDED]
    return "\n".join(lines)


def made(page: str) -> str:
    """Return the page with new pictures, each between the comment with its name and the end of its code block."""
    for name, picture in (("layers", layers_picture()), ("states", states_picture())):
        block = f"<!-- {name} -->\n```mermaid\n{picture}\n```"
        page, count = re.subn(rf"<!-- {name} -->\n```mermaid\n.*?```", lambda _, b=block: b, page, flags=re.S)
        if count != 1:
            raise SystemExit(f"{PAGE} has {count} places for the picture of the {name}")
    return page


if __name__ == "__main__":
    PAGE.write_text(made(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
