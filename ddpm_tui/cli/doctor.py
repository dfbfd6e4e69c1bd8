"""`ddpm-tui doctor`: check this machine, terminal, session and disk, and say how to fix problems."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ddpm_tui.cli.common import home, json_option, print_json, say
from ddpm_tui.words import plural, size
from engine.base.home import Home
from engine.base.text import shell_word
from engine.base.version import VERSION
from engine.service.doctor_facts import Finding
from engine.service.machine import torch_facts

MARKS = {
    "ok": ("ok", "green"),
    "note": ("note", "cyan"),
    "warning": ("warning", "yellow"),
    "problem": ("problem", "red"),
}
LOW_DISK = 5 << 30
HALF_PRECISION_NAN = ("GTX 16",)
COMPILES_FROM = 7
"""The first digit of the compute capability from which networks are compiled, as in `engine.device.plan`."""


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check this machine, terminal, session and disk, and say how to fix problems. Exit code 1 if something is
    broken.
    """
    sections = {
        "programs": list(programs(machine := torch_facts())),
        "devices": list(devices(machine)),
        "terminal": list(terminal()),
        "state": _readable(state(home())),
        "runs and data": _readable(runs(home())),
        "engine": _readable(_engine(home())),
        "profiles": _readable(profiles(home())),
    }
    failed = any(f.level == "problem" for findings in sections.values() for f in findings)
    if as_json:
        print_json(
            {
                name: [{"level": f.level, "what": f.what, "hint": f.hint} for f in found]
                for name, found in sections.items()
            }
        )
        ctx.exit(int(failed))
    for name, findings in sections.items():
        say((name, "bold"))
        for finding in findings:
            mark, colour = MARKS[finding.level]
            say((f"{mark:>8}", colour), f"  {finding.what}")
            if finding.hint:
                say(f"{'':>8}  → {finding.hint}")
    ctx.exit(int(failed))


def _readable(findings: Iterator[Finding]) -> list[Finding]:
    """Yield the findings of a section; an error ends only this section, as a finding."""
    found: list[Finding] = []
    try:
        for finding in findings:
            found.append(finding)
    except OSError as error:
        what = f"{error.filename} cannot be read ({(error.strerror or str(error)).lower()})"
        mend = "set DDPM_HOME to a folder you own" if isinstance(error, PermissionError) else ""
        found.append(Finding("problem", what, mend))
    return found


def programs(machine: dict[str, Any]) -> Iterator[Finding]:
    yield Finding("ok", f"ddpm-tui {VERSION}, Python {sys.version.split()[0]}")
    if "error" in machine:
        yield Finding(
            "problem",
            f"torch cannot be used: {machine['error']}",
            "reinstall: pip install --force-reinstall torch",
        )
        return
    built = f"built for CUDA {machine['cuda_built']}" if machine["cuda_built"] else "built without CUDA"
    yield Finding("ok", f"torch {machine['torch']}, {built}")


def devices(machine: dict[str, Any]) -> Iterator[Finding]:
    """Check each GPU against the architectures that this torch was compiled for, or the CPU if there is no GPU."""
    if "error" in machine:
        return
    for device in machine["devices"]:
        yield gpu(device, machine["architectures"])
    if any(device["capability"][0] >= COMPILES_FROM for device in machine["devices"]):
        headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
        names = [os.environ["CC"]] if os.environ.get("CC") else ["clang", "gcc"]
        yield compiler(any(map(shutil.which, names)), headers.is_file())
    if not machine["devices"]:
        nvidia = os.path.exists("/proc/driver/nvidia/version")  # noqa: PTH110 - one look, no path to keep
        if nvidia:
            built = machine["cuda_built"]
            hint = f"the driver may be too old for CUDA {built}, or CUDA_VISIBLE_DEVICES hides it (see nvidia-smi)"
            yield Finding(
                "warning",
                "there is an NVIDIA driver, but torch finds no GPU",
                hint if built else "install a torch built for CUDA",
            )
        else:
            yield Finding("note", "no GPU: training runs on the CPU")
    half = "with bf16 instructions" if machine["cpu_bf16"] else "without bf16: training in fp32"
    yield Finding(
        "ok", f"{machine['cpu']}, {plural(machine['cores'], 'core')}, {size(machine['memory'])}, {half}"
    )


def gpu(device: dict[str, Any], architectures: list[str]) -> Finding:
    """Check one GPU. `architectures` are those that torch was compiled for (sm_80 …, compute_90 for newer ones)."""
    major, minor = device["capability"]
    name = (
        f"{device['device']}: {device['name']}, {size(device['memory'])}, compute capability {major}.{minor}"
    )
    usable = not architectures or any(_runs_on(architecture, major, minor) for architecture in architectures)
    if not usable:
        oldest = min((a for a in architectures if a.startswith("sm_")), key=_number, default="none")
        return Finding(
            "problem",
            f"{name}: this torch has no code for it (oldest {oldest})",
            "install an older torch, or one built for this GPU; until then the CPU is used",
        )
    if any(card in device["name"] for card in HALF_PRECISION_NAN):
        return Finding("note", f"{name}: fp32 is used, because half precision gives NaN on this GPU")
    return Finding(
        "ok", name + (", bf16" if major >= 8 else ", fp16 with loss scaling" if major == 7 else ", fp32")
    )


def compiler(found: bool, headers: bool) -> Finding:
    """Check that Triton has what it needs besides torch to compile a network for a GPU."""
    missing = [what for what, there in (("C compiler", found), ("Python.h", headers)) if not there]
    if not missing:
        return Finding("ok", "a C compiler and Python's headers: networks can be compiled for the GPU")
    return Finding(
        "note",
        f"no {' and no '.join(missing)}: networks are not compiled for the GPU",
        "install a C compiler and Python's headers (build-essential and python3-dev on Debian)",
    )


def _number(architecture: str) -> int:
    """Return the number of an architecture: sm_86 → 86, sm_90a → 90, and -1 if it has none."""
    digits = architecture.partition("_")[2].rstrip("af")
    return int(digits) if digits.isdigit() else -1


def _runs_on(architecture: str, major: int, minor: int) -> bool:
    kind, have = architecture.partition("_")[0], divmod(_number(architecture), 10)
    return (kind == "sm" and have[0] == major and have[1] <= minor) or (
        kind == "compute" and have <= (major, minor)
    )


def terminal() -> Iterator[Finding]:
    from ddpm_tui.ask_terminal import ask
    from ddpm_tui.draw.asking import better, in_words
    from ddpm_tui.draw.terminal import here

    found = here(sys.stdout)
    if not found.tty:
        yield Finding("note", "standard output is not a terminal, so its colours are unknown")
        return
    columns, rows = os.get_terminal_size()
    size_known = columns > 0 and rows > 0
    looks = f"TERM={os.environ.get('TERM', 'unset')}, colours: {found.depth.name.lower()}"
    yield Finding("ok", f"{columns}×{rows}, {looks}" if size_known else looks, found.advice or "")
    if not size_known:
        yield Finding(
            "note", "the terminal does not report its size, so 80×24 is assumed", "stty rows 24 cols 80"
        )
    elif columns < 80 or rows < 24:
        yield Finding("warning", f"{columns}×{rows} is small", "80×24 and more shows everything")
    if (answers := ask(found)) is not None:
        yield Finding(
            "ok" if answers.closed else "note", in_words(better(found, answers, os.environ), answers)
        )
    if not found.unicode:
        yield Finding("warning", "the locale is not UTF-8: faces are drawn in ASCII", "export LC_ALL=C.UTF-8")


def state(where: Home) -> Iterator[Finding]:
    from engine.base.errors import DdpmError
    from engine.base.files import free_bytes
    from engine.base.trust import open_folders
    from engine.service.settings import read_settings

    try:
        where.create()
        probe = where.root / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
        yield Finding("ok", f"state is kept in {where.root}")
    except DdpmError as error:
        yield Finding("problem", error.what, error.hint or "")
        return
    except OSError as error:
        what = f"cannot write to {where.root} ({error.strerror or error})"
        yield Finding("problem", what, "set DDPM_HOME to a folder you own, on a disk with room")
        return
    for folder, why in open_folders(where):
        told = (
            "settings.toml and keymap.toml are not used"
            if folder == where.root
            else "what is in it may be forged"
        )
        yield Finding("warning", f"{why}: {told}", f"chmod -R go-w {shell_word(folder)}")
    settings, problems = read_settings(where.settings)
    yield from (Finding("warning", problem, "fix or delete it") for problem in problems)
    if settings.on_end:
        yield Finding("ok", f"when a job ends: {settings.on_end}")
    free = free_bytes(where.root)
    if free < LOW_DISK:
        yield Finding("warning", f"{size(free)} free there", "checkpoints prune, trash purge")
    else:
        yield Finding("ok", f"{size(free)} free there")


def runs(where: Home) -> Iterator[Finding]:
    """Find runs that cannot be read, and unused files that no list shows."""
    from engine.base.errors import DdpmError
    from engine.data.catalog import list_sources, packed_folders
    from engine.runs.record import load_run, misnamed_runs, run_names

    used, damaged = set(), 0
    yield from (Finding("warning", line) for line in misnamed_runs(where))
    names = run_names(where)
    for name in names:
        for aside in sorted(where.run(name).checkpoints.glob(".*.damaged-*")):
            yield _unused(f"a damaged checkpoint of run {name!r} was set aside", aside)
        try:
            used.add((load_run(where, name).frozen.get("data") or {}).get("folder"))
        except DdpmError as error:
            damaged += 1
            yield Finding("problem", error.what, error.hint or "")
    unread: list[str] = []
    try:
        sources = list_sources(where, complain=unread.append)
    except OSError as error:
        unread, sources = [f"{where.data} cannot be read ({error.strerror})"], []
    yield from (Finding("problem", text) for text in unread)
    for source in sources if not damaged else ():  # a damaged run may use any of them
        for folder, manifest in packed_folders(where, source.name):
            old = manifest is not None and manifest.fingerprint != source.fingerprint
            if old and folder.path.name not in used:
                yield _unused(
                    f"data set {source.name!r} has an older packed form that no run uses", folder.path
                )
    yield Finding("ok", f"{plural(len(names), 'run')}, {plural(len(sources), 'data set')}")


def _unused(what: str, path: Path) -> Finding:
    from engine.base.trash import size_of

    return Finding("note", f"{what}: {path} ({size(size_of(path))})", f"rm -r {shell_word(path)} frees it")


def _engine(where: Home) -> Iterator[Finding]:
    from engine.service.doctor_facts import findings

    yield from findings(where)


def profiles(where: Home) -> Iterator[Finding]:
    from engine.base.errors import DdpmError
    from engine.base.trust import distrust
    from engine.config.store import list_profiles, load_profile

    found = list_profiles(where)
    for file in found:
        try:
            warnings = load_profile(where, file.name).warnings()
        except DdpmError as error:
            yield Finding("problem", str(error), f"ddpm-tui profiles edit {shell_word(file.name)}")
            continue
        if file.origin == "user" and (why := distrust(file.path)):
            yield Finding("warning", f"{file.name}: another user can have written it: {why}")
        # The settings of the included paper profiles are intended.
        if file.origin == "user":
            yield from (Finding("warning", f"{file.name}: {warning}") for warning in warnings)
    yield Finding("ok", f"{plural(len(found), 'profile')}")
