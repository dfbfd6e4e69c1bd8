"""What `checkpoints export` does: the folder of this program at once, other formats by a worker, and the upload."""

import sys
from pathlib import Path
from typing import Any

from ddpm_tui.cli.common import home, note, print_json, say
from ddpm_tui.words import plural, size
from engine.base.errors import UsageError, UserError
from engine.base.home import given_path
from engine.base.text import shell_line, shell_word
from engine.runs.checkpoints import CheckpointInfo
from engine.runs.trained import Trained, find_trained


def export_as(
    target: Path,
    *,
    reference: str,
    formats: tuple[str, ...],
    weights: str,
    half: bool,
    seeds: int,
    license_id: str,
    runtime: str | None,
    repo: str | None,
    public: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Export, say what was written and how far its pictures are from the original's, and upload it if that is asked.

    Raises UsageError, UserError, DamagedError, DiskFullError, JobFailedError.
    """
    from engine.export.formats import check_formats, check_packages, check_target
    from engine.export.push import check_push
    from engine.export.runtime import check_runtime

    wanted = check_formats(formats)
    for given, option, needs, ok in (
        (runtime, "--runtime", "--format web", "web" in wanted),
        (public, "--public", "--push", repo is not None),
        (dry_run, "--dry-run", "--push", repo is not None),
    ):
        if given and not ok:
            raise UsageError(f"{option} is for {needs}", f"give {needs} too, or leave it out")
    if repo is not None:
        check_push(repo)
    found = given_path(runtime).absolute() if runtime is not None else None
    if found is not None:
        check_runtime(found)
    check_packages(wanted)
    trained = find_trained(home(), reference)
    if trained.passed_over:
        note(trained.passed_over)
    if not isinstance(trained.of, CheckpointInfo) and "folder" in wanted:
        raise UserError(f"{reference} is such a folder already", "name another --format")
    check_target(target)
    command = shell_line("ddpm-tui", *sys.argv[1:])
    if wanted == ["folder"] and not half:
        facts = _copy(target, trained, weights, license_id, command)
    else:
        facts = _convert(target, trained, wanted, weights, half, seeds, license_id, found, command, as_json)
    if not as_json:
        _tell(target, trained, weights, facts, found)
    facts["push"] = _push(target, repo, public, dry_run, as_json) if repo is not None else None
    if as_json:
        print_json({"run": trained.place.name, "step": trained.step, **facts})


def _copy(target: Path, trained: Trained, weights: Any, license_id: str, command: str) -> dict[str, Any]:
    from engine.export.card import finish
    from engine.export.check import SAME_BYTES
    from engine.runs.export import export_checkpoint

    assert isinstance(trained.of, CheckpointInfo)
    run = home().run(trained.place.name)
    export_checkpoint(run, trained.of, target, weights)
    preview = run.preview(trained.step)
    faces = preview.read_bytes() if preview.is_file() else None
    finish(target, "folder", home(), trained, weights, False, SAME_BYTES, command, license_id, faces, note)
    written = sum(path.stat().st_size for path in target.iterdir())
    return {
        "folder": str(target),
        "bytes": written,
        "formats": {"folder": {"folder": str(target), **SAME_BYTES.to_json()}},
    }


def _convert(
    target: Path,
    trained: Trained,
    formats: list[str],
    weights: str,
    half: bool,
    seeds: int,
    license_id: str,
    runtime: Path | None,
    command: str,
    as_json: bool,
) -> dict[str, Any]:
    from ddpm_tui.cli.foreground import run_job

    args = {
        "checkpoint": trained.reference, "target": str(target), "formats": formats, "half": half, "n": seeds,
        "weights": weights if isinstance(trained.of, CheckpointInfo) else None, "license": license_id,
        "runtime": str(runtime) if runtime else None, "command": command,
    }  # fmt: skip
    result = run_job(home(), "export", trained.run, args, device="cpu", quiet=as_json, go_on=command)
    return dict(result.extra)


def _tell(target: Path, trained: Trained, weights: str, facts: dict[str, Any], runtime: Path | None) -> None:
    from engine.export.runtime import GET

    say(f"{trained.name} ({weights}) is in {target} ({size(facts['bytes'])})")
    for form, check in facts["formats"].items():
        if check["pictures"]:
            error = f"largest error {check['largest']} of 255, mean {check['mean']:.2g}"
            say(f"  {form}: {error}, {check['pictures']} seeds")
        folder = shell_word(check["folder"])
        if form == "folder":
            say(f"  `ddpm-tui sample {folder}` draws from it")
        elif form == "web" and runtime is None:
            say(f"  the page lacks ONNX Runtime: cd {folder} && {GET}")


def _push(target: Path, repo: str, public: bool, dry_run: bool, quiet: bool) -> dict[str, Any]:
    from engine.export.push import files_to_push, push

    files = files_to_push(target)
    total = sum(length for _, length in files)
    if dry_run:
        if not quiet:
            for name, length in files:
                say(f"  {size(length):>10}  {name}")
            say(
                f"{plural(len(files), 'file')} ({size(total)}) would go to {repo}, {'public' if public else 'private'}"
            )
        return {"repo": repo, "files": [name for name, _ in files], "bytes": total, "done": False}
    address = push(target, repo, private=not public)
    if not quiet:
        say(f"pushed {plural(len(files), 'file')} ({size(total)}): {address}")
    return {
        "repo": repo,
        "files": [name for name, _ in files],
        "bytes": total,
        "done": True,
        "address": address,
    }
