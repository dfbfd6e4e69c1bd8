"""What the pages say is what the program does: keys, commands, files they show."""

import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner

from ddpm_tui.cli.keys import keys
from ddpm_tui.cli.main import SECTIONS

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def test_the_page_of_keys_is_up_to_date() -> None:
    made = CliRunner().invoke(keys, ["--markdown"]).output
    page = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert page.endswith(made), "run: ddpm-tui keys --markdown, and put it into docs/keys.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_files_on_a_page_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {name for section in SECTIONS.values() for name, lazy in section.items() if lazy.present}
    for command in re.findall(r"ddpm-tui ([a-z]+)\b", text):
        assert command in known, f"{page.name} names `ddpm-tui {command}`"
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make ([a-z]+) ", text):
        assert f"\n{target}:" in makefile, f"{page.name} names `make {target}`"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_and_names_of_the_code_on_a_page_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:engine|ddpm_tui|tests|profiles|docs|\.ci|\.github)/[\w./-]*)`", text)
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), f"{page} names {path}"
    for path, name in re.findall(r"`([\w/]+\.py)`: `(\w+)`", text):
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(?:async )?(?:def|class) {name}\b|^{name}\b.*=", code, re.MULTILINE), (
            f"{path}: {name}"
        )


@pytest.mark.slow
def test_the_pictures_of_the_architecture_are_up_to_date() -> None:
    pytest.importorskip("grimp")
    pictures = runpy.run_path(str(ROOT / "docs" / "architecture" / "make.py"))
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert pictures["made"](page) == page, "run: python docs/architecture/make.py"
