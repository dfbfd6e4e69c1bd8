"""`ddpm-tui bench`: measure this machine in a worker, and print tables or write them as JSON and Markdown."""

import json
import sys

import click

from ddpm_tui.cli.common import device_option, home, json_option, note, print_json, say_text
from ddpm_tui.cli.numbers import Real, Whole
from engine.base.files import unwritable, without_nan
from engine.base.home import given_path
from engine.base.text import shell_line


@click.command()
@click.option(
    "--only",
    metavar="A,B,…",
    help="Parts: peaks, step, memory, epoch, packing, sampling, startup, scale; and, when named, peers, quality.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="A profile to measure; may be repeated. [default: the included ones]",
)
@click.option("--quick", is_flag=True, help="Measure less: a minute or two, with less accurate figures.")
@click.option("--peers", is_flag=True, help="Also time diffusers and denoising-diffusion-pytorch.")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="'K=V …'",
    help="For step and quality: settings to compare with the profile's own. May be repeated.",
)
@click.option(
    "--minutes",
    type=Real(0, 86_400, above=True),
    default=4.0,
    show_default=True,
    help="For quality: training time of each variant and seed.",
)
@click.option(
    "--seeds", type=Whole(1, 1000), default=1, show_default=True, help="For quality: number of seeds."
)
@click.option(
    "--out", metavar="DIR", type=click.Path(file_okay=False), help="Write bench.json and bench.md there."
)
@device_option
@json_option
def bench(
    only: str | None,
    profiles: tuple[str, ...],
    quick: bool,
    peers: bool,
    variants: tuple[str, ...],
    minutes: float,
    seeds: int,
    out: str | None,
    device: str,
    as_json: bool,
) -> None:
    """Measure this machine: peaks, each profile's step and memory, an epoch, packing, sampling, start-up, scaling.

    Variants are timed in turns, so that other load on the machine affects all of them equally.

    \b
    The effect of compiling and of another head size on a step:
      ddpm-tui bench --only step --profile celeba32 --variant training.compile=on --variant model.head_dim=64

    \b
    The settings that learn most in ten minutes, with two seeds each:
      ddpm-tui bench --only quality --profile celeba32 --minutes 10 --seeds 2 \\
        --variant training.batch_size=64 --variant 'optim.lr=2e-3 optim.warmup_steps=400'
    """
    from ddpm_tui.cli.foreground import run_job
    from engine.base.errors import UsageError, UserError
    from engine.bench.options import INSTALL_PEERS, PARTS, PEERS, Options, chosen_parts, missing_peers, timed
    from engine.bench.report import markdown
    from engine.config.store import find_profile, load_profile

    for name in profiles:
        find_profile(home(), name)
    parts = tuple(name for name in PARTS if name in chosen_parts(only) or (peers and name == "peers"))
    if variants and not (only and {"step", "quality"} & set(parts)):
        raise UsageError("--variant needs the part step or quality", "use --only step or --only quality")
    for variant in variants:
        load_profile(home(), timed(profiles), variant.split())
    if "peers" in parts and len(missing_peers()) == len(PEERS):
        raise UserError(f"neither {' nor '.join(PEERS.values())} is installed", INSTALL_PEERS)
    options = Options(parts, profiles, quick, variants, 60 * minutes, seeds)
    folder = given_path(out) if out is not None else None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error, "give another --out") from None
    result = run_job(home(), "bench", None, options.to_json(), device=device, quiet=as_json)
    found = result.extra["bench"]
    page = markdown(found, shell_line("ddpm-tui", *sys.argv[1:]))
    if folder is not None:
        (folder / "bench.json").write_text(
            json.dumps(without_nan(found), indent=2, ensure_ascii=False) + "\n"
        )
        (folder / "bench.md").write_text(page)
        note(f"{folder / 'bench.md'} and bench.json")
    if as_json:
        print_json(found)
    else:
        say_text(page)
