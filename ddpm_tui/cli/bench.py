"""`ddpm-tui bench`: what this machine does, measured by a worker; one table, and one JSON where asked for."""

import json
import shlex
import sys
from pathlib import Path

import click

from ddpm_tui.cli.common import device_option, home, json_option, note, print_json, say


@click.command()
@click.option(
    "--only", metavar="A,B,…", help="Parts: peaks, step, memory, epoch, packing, sampling, startup, scale."
)
@click.option(
    "--profile", "profiles", multiple=True, metavar="NAME", help="Which; may be repeated. [default: shipped]"
)
@click.option("--quick", is_flag=True, help="Less of everything: a minute or two, and rougher figures.")
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False), help="Write bench.json and bench.md there."
)
@device_option
@json_option
def bench(
    only: str | None, profiles: tuple[str, ...], quick: bool, out: str | None, device: str, as_json: bool
) -> None:
    """What this machine does: peaks, each profile's step and memory, an epoch, packing, sampling, start-up, scale.

    What is compared is timed in turns, so that a shared machine's moods fall on all of it alike.
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.bench.options import Options, chosen_parts
    from engine.bench.report import markdown
    from engine.errors import UserError
    from engine.profiles_store import find_profile

    for name in profiles:
        find_profile(home(), name)
    options = Options(chosen_parts(only), profiles, quick)
    folder = Path(out).expanduser() if out else None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {folder} ({error.strerror})", "give another --out") from None
    result = run_job(home(), "bench", None, options.to_json(), device=device, quiet=as_json)
    found = result.extra["bench"]
    page = markdown(found, shlex.join(["ddpm-tui", *sys.argv[1:]]))
    if folder is not None:
        (folder / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        (folder / "bench.md").write_text(page)
        note(f"{folder / 'bench.md'} and bench.json")
    if as_json:
        print_json(found)
    else:
        say(page)
