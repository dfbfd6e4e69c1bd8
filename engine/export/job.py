"""An export job: one checkpoint in one or more formats, each checked against the original before it gets its name."""

import io
import shutil
import uuid
from pathlib import Path

from PIL import Image

from engine.base.files import disk_errors, unwritable
from engine.base.text import plural
from engine.export.card import finish
from engine.export.check import compare
from engine.export.formats import check_packages, check_target
from engine.export.writers import WRITERS, open_source
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result
from engine.runs.trained import find_trained
from engine.sampling.sheets import grid

DEFAULT_SEEDS = 64
SHOWN = 16
"""Faces of the model card."""


def run_export(work: Work) -> Result:
    """Do an export job. args: checkpoint (RUN@WHICH, or an exported folder), target (a folder that is new
    or empty), formats, half, weights, license, n (seeds of the check), runtime, command.

    One format is written into `target` itself, several into folders of their names in it. In the end all
    of it is there, or nothing.
    """
    args = work.spec.args
    formats: list[str] = list(args["formats"])
    target, count = Path(args["target"]), DEFAULT_SEEDS if args.get("n") is None else int(args["n"])
    check_packages(formats)
    check_target(target)
    runtime = Path(args["runtime"]) if args.get("runtime") else None
    half = bool(args.get("half"))
    trained = find_trained(work.home, args["checkpoint"])
    work.report("starting", text="loading the checkpoint")
    source = open_source(work.home, trained, args.get("weights"), half, runtime)
    steps = (len(formats) + 1) * -(-count // 16) * source.settings.steps
    done = 0

    def on_step() -> None:
        nonlocal done
        done += 1
        work.raise_if_stopping("run it again: nothing was written")
        work.report("sampling", min(done, steps), steps, "steps", text="checking the export")

    building = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with disk_errors(target):
            building.mkdir(parents=True)
            original = source.pictures(count, on_step=on_step)
            faces = io.BytesIO()
            Image.fromarray(grid(original[:SHOWN])).save(faces, "PNG")
            checks = {}
            for form in formats:
                folder = building if len(formats) == 1 else building / form
                folder.mkdir(exist_ok=True)
                write, by = WRITERS[form]
                work.report("writing", text=f"{form}")
                drawn = write(source, folder)(count, on_step)
                how = {name: getattr(source.settings, name) for name in ("sampler", "steps", "spacing")}
                checks[form] = compare(original, drawn, by, "float16" if half else "float32", **how)
                finish(
                    folder, form, work.home, trained, source.settings.weights, half, checks[form],
                    str(args.get("command") or ""), str(args.get("license") or "unknown"), faces.getvalue(), work.say,
                )  # fmt: skip
                work.say(f"{form}: {checks[form].words()}")
            if target.exists():
                target.rmdir()
            building.rename(target)
    except OSError as error:
        raise unwritable(target, error, "name another folder") from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    message = (
        f"{trained.name} ({source.settings.weights}) is in {target}, as {plural(len(formats), 'format')}"
    )
    places = {form: {"folder": str(target if len(formats) == 1 else target / form)} for form in formats}
    found = {form: {**places[form], **check.to_json()} for form, check in checks.items()}
    extra = {"folder": str(target), "bytes": _size(target), "formats": found}
    return Result("done", EXIT_DONE, message, None, work.spec.run, trained.step, extra=extra)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
