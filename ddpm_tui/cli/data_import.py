"""What `data add` does with paths that are not simply one folder or zip: they are copied into a zip of the home."""

import time

from ddpm_tui.cli.common import home, note
from ddpm_tui.words import plural

EVERY_S = 5.0
"""Between lines that say how far an import is."""


def brought_here(paths: tuple[str, ...], name: str | None, quiet: bool) -> tuple[str, str | None]:
    """The path that is added, and its name if it was decided here. Raises UserError, DiskFullError."""
    from engine.base.home import given_path
    from engine.data.dataset_names import check_dataset_name
    from engine.data.hub import HUB, download
    from engine.data.imports import import_pictures, needs_import, usual_name

    if name is not None:
        check_dataset_name(name)
    wanted = [
        download(home(), path, note) if path.startswith(HUB) else given_path(path).absolute()
        for path in paths
    ]
    if not needs_import(wanted):
        return str(wanted[0]), name
    chosen = name or usual_name(wanted)
    said = time.monotonic()

    def report(done: int, text: str) -> None:
        nonlocal said
        if not quiet and time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            note(f"{plural(done, 'picture')} copied, now {text}")

    return str(import_pictures(home(), chosen, wanted, report)), chosen
