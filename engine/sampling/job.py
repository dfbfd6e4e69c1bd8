"""A sampling job: a set of pictures from one checkpoint, kept in the run's samples/ (the home's, for an exported one)
with everything that made it."""

import dataclasses
import datetime
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from engine.base.errors import DiskFullError, UserError
from engine.base.failpoints import reach
from engine.base.files import disk_errors, unwritable, write_bytes, write_json
from engine.base.folders import SampleFolder
from engine.base.text import plural
from engine.config.sampling_settings import OUTPUTS, Settings, asked_words, check_outputs
from engine.jobs.context import Work
from engine.jobs.files import EXIT_DONE, Result
from engine.runs.guides import find_guided
from engine.runs.trained import Trained, find_trained
from engine.sampling.drawing import Drawn, batch_that_fits, draw, frame_steps, group_size
from engine.sampling.load import Loaded, free_memory, load
from engine.sampling.outputs import Amounts, check_disks, check_empty, check_memory, check_places
from engine.sampling.sheets import gif_scale, grid, save_gif, save_npy, save_png, strip, strip_scale

DEFAULT_COUNT = 64


def run_sampling(work: Work) -> Result:
    """Draw what the spec asks for. args: checkpoint (RUN@WHICH, or an exported folder), n (of each group of labels),
    sampler, steps, spacing, eta, variance, clip, weights, seed, labels, guidance, guide, guide_weights,
    guidance_interval, batch, trajectory (pictures whose denoising is kept), grid, trajectory_file, out."""
    args = work.spec.args
    trained = find_trained(work.home, args["checkpoint"])
    if trained.passed_over:
        work.say(trained.passed_over)
    each = DEFAULT_COUNT if args.get("n") is None else int(args["n"])
    if each < 1:
        raise UserError(f"-n {each}: draw at least one picture")
    size = trained.profile.data.size
    settings, guide = find_guided(work.home, trained, args)
    count = each * max(1, len(settings.labels))
    kept = min(count, int(args.get("trajectory") or 0))
    frames = len(frame_steps(settings.steps)) + 1 if kept else 0
    check_outputs(args)
    amounts = Amounts(count, size, kept, frames)
    check_memory(amounts, args)
    check_places(args, work.spec.id)
    check_disks(trained.place.samples.parent, amounts, args)
    work.report("starting", text="loading the checkpoint")
    loaded = load(trained, settings, work.device(trained.profile.training.device), guide)
    batch = int(
        args.get("batch")
        or batch_that_fits(loaded.profile, loaded.plan, free_memory(loaded), settings.guided)
    )
    work.say(
        f"{plural(count, 'picture')} from {trained.name}: {settings.sampler}, "
        f"{plural(settings.steps, 'step')}, {asked_words(settings)}{settings.weights} weights, "
        f"seed {settings.seed}, on {loaded.plan.summary(work.device_name(loaded.plan.device))}"
    )
    started = time.monotonic()

    def on_step(done: int, total: int) -> None:
        work.raise_if_stopping()
        seconds = time.monotonic() - started
        pictures = done / settings.steps
        work.report(
            "sampling",
            int(pictures),
            count,
            "pictures",
            text=f"{settings.sampler} {plural(settings.steps, 'step')}",
            images_per_s=pictures / seconds if seconds > 0 else None,
            eta_s=seconds * (total - done) / done,
            device=loaded.plan.device,
        )
        reach("sample.step")

    drawn = list(
        draw(
            loaded.model, loaded.schedule, loaded.profile, loaded.plan, settings, count, batch,
            keep_frames=kept, guide=loaded.guide, on_step=on_step,
        )
    )  # fmt: skip
    seconds = time.monotonic() - started
    work.report("writing", count, count, "pictures")
    record = {
        **facts(trained, loaded, settings, count, guide),
        "seconds": round(seconds, 3),
        "job": work.spec.id,
    }
    folder = store(trained.place.samples, work.spec.id, drawn, record)
    written = hand_out(folder, drawn, args, record)
    message = f"{plural(count, 'picture')} in {seconds:.1f} s: {folder.path}"
    work.say(message)
    return Result(
        "done", EXIT_DONE, message, None, work.spec.run, trained.step, record["epoch"], trained.step, folder.path.name,
        extra={"folder": str(folder.path), "grid": str(folder.grid), "files": written, "seconds": seconds},
    )  # fmt: skip


def facts(
    trained: Trained, loaded: Loaded, settings: Settings, count: int, guide: Trained | None
) -> dict[str, Any]:
    """Everything that made the set, for its record: enough to draw it again."""
    return {
        "format": 1,
        "run": trained.place.name,
        "checkpoint": trained.step,
        **({} if trained.run else {"export": trained.reference}),
        "epoch": round(trained.epochs, 4),
        "n": count,
        "each": group_size(settings, count),
        "size": loaded.profile.data.size,
        **dataclasses.asdict(settings),
        "diffusion_steps": loaded.profile.diffusion.steps,
        "precision": loaded.plan.precision,
        "device": loaded.plan.device_name,
        "weights_sha256": trained.sha256(settings.weights),
        **({} if guide is None else {"guide_sha256": guide.sha256(str(settings.guide_weights))}),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def store(samples: Path, sample_id: str, drawn: list[Drawn], record: dict[str, Any]) -> SampleFolder:
    """Publish the set: a temporary folder, renamed when its pictures are complete; extra files come after it. A set of
    the same job is replaced.

    Raises DiskFullError; where it is for the extras alone, it says where the pictures are.
    """
    samples.mkdir(mode=0o700, exist_ok=True)
    target = SampleFolder(samples / sample_id)
    building = SampleFolder(samples / f".{sample_id}.new")
    shutil.rmtree(building.path, ignore_errors=True)
    pictures = np.concatenate([d.pictures for d in drawn])
    try:
        with disk_errors(target.path):
            building.path.mkdir()
            np.save(building.pictures, pictures)
            write_json(building.record, record)
            shutil.rmtree(target.path, ignore_errors=True)
            building.path.rename(target.path)
    finally:
        shutil.rmtree(building.path, ignore_errors=True)
    try:
        save_png(
            target.grid,
            grid(pictures, columns_of(record)),
            {"ddpm-tui": f"{record['run']}@{record['checkpoint']}"},
        )
        frames = [d.frames for d in drawn if d.frames is not None]
        if frames:
            save_npy(target.trajectory, np.concatenate(frames, axis=1))
            predicted = [d.predicted for d in drawn if d.predicted is not None]
            save_npy(target.predicted, np.concatenate(predicted, axis=1))
    except DiskFullError as error:
        raise DiskFullError(error.what, f"the pictures are complete in {target.path}") from None
    return target


def hand_out(
    folder: SampleFolder, drawn: list[Drawn], args: dict[str, Any], record: dict[str, Any]
) -> list[str]:
    """Write the files that were requested by path, pictures first; return their paths. Raises UserError,
    DiskFullError."""
    pictures = np.concatenate([d.pictures for d in drawn])
    written: list[str] = []
    path = folder.path
    try:
        for key in (key for key in OUTPUTS if args.get(key)):
            path = Path(args[key])
            (path if key == "out" else path.parent).mkdir(parents=True, exist_ok=True)
            if key == "out":
                _write_each(path, pictures, folder, record["job"])
            elif key == "npy":
                save_npy(path, pictures)
            elif key == "grid":
                save_png(path, grid(pictures, columns_of(record), scale=int(args.get("scale") or 1)))
            elif folder.trajectory.exists():
                _write_trajectory(path, np.load(folder.trajectory))
            else:
                continue
            written.append(str(path))
    except (OSError, DiskFullError) as error:
        whole = f"the set itself is complete in {folder.path}"
        if isinstance(error, DiskFullError):
            raise DiskFullError(error.what, whole) from None
        raise unwritable(Path(error.filename or path), error, whole) from None
    return written


WIDEST = 16
"""Columns of a grid whose rows are groups of labels."""


def columns_of(record: dict[str, Any]) -> int | None:
    """Columns of a set's grid: a row for each group of labels, if there are several and it is not too long."""
    if (edit := record.get("edit")) is not None:
        return int(edit["columns"])
    each = int(record.get("each") or 0)
    return each if record.get("labels") and each < int(record["n"]) and each <= WIDEST else None


def _write_each(out: Path, pictures: np.ndarray, folder: SampleFolder, job: str) -> None:
    """Each picture as a file of its own; all of them or none. The record goes first and says whose the folder is."""
    check_empty(out, job)
    made = [SampleFolder(out).record]
    try:
        write_bytes(made[0], folder.record.read_bytes(), durable=False)
        for index, picture in enumerate(pictures):
            made.append(out / f"{index:05d}.png")
            save_png(made[-1], picture)
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise


def _write_trajectory(path: Path, frames: np.ndarray) -> None:
    size = frames.shape[2]
    if path.suffix.lower() == ".gif":
        save_gif(path, [grid(frame, scale=gif_scale(size)) for frame in frames])
    else:
        save_png(path, strip(frames, scale=strip_scale(size)))
