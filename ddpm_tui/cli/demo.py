"""`ddpm-tui demo`: train on built-in faces on this machine, showing the progress as half blocks."""

import os
import shutil
from pathlib import Path
from typing import Any, TextIO

import click

from ddpm_tui.cli.common import device_option, home, note, say, set_option
from ddpm_tui.cli.views import ProgressView
from engine.base.home import Home

RUN = "demo"
SEED = 7
COUNT = 16


@click.command()
@set_option
@device_option
def demo(overrides: tuple[str, ...], device: str) -> None:
    """Train on built-in faces: a few minutes on a CPU, with faces at the end.

    Draws a few thousand portraits by code, trains a small diffusion model on them, shows its samples after each
    epoch, and writes a sheet of new faces as a PNG. Ctrl-C stops safely; the same command continues.
    """
    from ddpm_tui.cli.foreground import run_job
    from ddpm_tui.cli.sample import show_pictures
    from engine.runs.record import load_run
    from engine.service.targets import find_target

    where = home().create()
    name = _run_name(where, overrides)
    target = find_target(where, "demo", run=name, overrides=list(overrides), device=device)
    if target.reached:
        note(f"the demo is already trained (epoch {target.here:g}); drawing more of its faces")
    else:
        note("drawing training faces, then training on them; Ctrl-C stops safely, `ddpm-tui demo` continues")
        run_job(
            where,
            "train",
            target.run,
            target.args,
            device=device,
            go_on="ddpm-tui demo",
            on_look=_Previews(where, target.run, load_run(where, target.run).profile.data.size),
        )
    here = Path.cwd()
    sheet = (here if os.access(here, os.W_OK) else where.run(target.run).path) / "demo-faces.png"
    args: dict[str, Any] = {"checkpoint": target.run, "n": COUNT, "seed": SEED, "trajectory": 8}
    args |= {"grid": str(sheet), "scale": 4}
    result = run_job(where, "sample", target.run, args, device=device, quiet=True, go_on="ddpm-tui demo")
    show_pictures(result)
    say(f"new faces: {sheet}")
    say(
        "next: `ddpm-tui` opens the screen, `ddpm-tui sample demo --show` draws more, `ddpm-tui data add` adds pictures"
    )


def _run_name(where: Home, overrides: tuple[str, ...]) -> str | None:
    """Return the run's name: fixed for the plain demo, None (numbered) if settings were changed."""
    return None if overrides else RUN


class _Previews:
    """Shows each epoch's preview when it appears."""

    def __init__(self, where: Home, run: str, size: int) -> None:
        self._size = size
        self._folder = where.run(run).previews
        self._seen = set(self._folder.glob("*.png"))

    def __call__(self, view: ProgressView) -> None:
        for path in sorted(set(self._folder.glob("*.png")) - self._seen):
            self._seen.add(path)
            view.aside(lambda stream, path=path: _show(path, self._size, stream))  # type: ignore[misc]


def _show(path: Path, size: int, stream: TextIO) -> None:
    """Print one row of a preview, so that the output stays short. `size`: pixels across a face."""
    from ddpm_tui.draw.show import load_picture, print_faces

    sheet = load_picture(path)
    height, width = sheet.shape[:2]
    faces = [sheet[y : y + size, x : x + size] for y in range(0, height, size) for x in range(0, width, size)]
    room = shutil.get_terminal_size((80, 24)).columns // (size + 1)
    print_faces(stream, faces[: max(1, room)], edge=size if room else None, height=size // 2 + 1)
