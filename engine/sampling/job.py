"""A sampling job: a set of pictures from one checkpoint, kept in the run's samples/ (the home's, for an exported one)
with everything that made it."""

import dataclasses
import datetime
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.errors import UserError
from engine.failpoints import reach
from engine.files import disk_errors, write_json
from engine.folders import SampleFolder
from engine.jobs import EXIT_DONE, Result
from engine.runs.trained import Trained, find_trained
from engine.sampling.drawing import Drawn, batch_that_fits, draw
from engine.sampling.load import Loaded, free_memory, load
from engine.sampling.outputs import check_places, check_room
from engine.sampling.sheets import grid, save_gif, save_png, strip
from engine.sampling_settings import Settings
from engine.work import Work

DEFAULT_COUNT = 64


def run_sampling(work: Work) -> Result:
    """Draw what the spec asks for. args: checkpoint (RUN@WHICH, or an exported folder), n, sampler, steps,
    spacing, eta, variance, clip, weights, seed, batch, trajectory (pictures whose denoising is kept), grid,
    trajectory_file, out."""
    args = work.spec.args
    trained = find_trained(work.home, args["checkpoint"])
    count = DEFAULT_COUNT if args.get("n") is None else int(args["n"])
    if count < 1:
        raise UserError(f"-n {count}: draw at least one picture")
    size = trained.profile.data.size
    settings = trained.settings(args)
    check_room(trained.place.samples.parent, count, size)
    check_places(args, count, size)
    work.report("starting", text="loading the checkpoint")
    loaded = load(trained, settings.weights, work.device(trained.profile.training.device))
    kept = min(count, int(args.get("trajectory") or 0))
    batch = int(args.get("batch") or batch_that_fits(loaded.profile, loaded.plan, free_memory(loaded)))
    work.say(
        f"{count} picture{'s' * (count != 1)} from {trained.name}: {settings.sampler}, "
        f"{settings.steps} steps, {settings.weights} weights, seed {settings.seed}, "
        f"on {loaded.plan.summary(work.device_name(loaded.plan.device))}"
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
            text=f"{settings.sampler} {settings.steps} steps",
            images_per_s=pictures / seconds if seconds > 0 else None,
            eta_s=seconds * (total - done) / done,
            device=loaded.plan.device,
        )
        reach("sample.step")

    drawn = list(
        draw(
            loaded.model, loaded.schedule, loaded.profile, loaded.plan, settings, count, batch,
            keep_frames=kept, on_step=on_step,
        )
    )  # fmt: skip
    seconds = time.monotonic() - started
    work.report("writing", count, count, "pictures")
    record = {**_facts(trained, loaded, settings, count), "seconds": round(seconds, 3), "job": work.spec.id}
    folder = _store(trained.place.samples, work.spec.id, drawn, record)
    written = _hand_out(folder, drawn, args)
    message = f"{count} pictures in {seconds:.1f} s: {folder.path}"
    work.say(message)
    return Result(
        "done", EXIT_DONE, message, None, work.spec.run, trained.step, record["epoch"], trained.step, folder.path.name,
        extra={"folder": str(folder.path), "grid": str(folder.grid), "files": written, "seconds": seconds},
    )  # fmt: skip


def _facts(trained: Trained, loaded: Loaded, settings: Settings, count: int) -> dict[str, Any]:
    """Everything that made the set, for its record: enough to draw it again."""
    return {
        "format": 1,
        "run": trained.place.name,
        "checkpoint": trained.step,
        **({} if trained.run else {"export": trained.reference}),
        "epoch": round(trained.epochs, 4),
        "n": count,
        "size": loaded.profile.data.size,
        **dataclasses.asdict(settings),
        "diffusion_steps": loaded.profile.diffusion.steps,
        "precision": loaded.plan.precision,
        "device": loaded.plan.device_name,
        "weights_sha256": trained.sha256(settings.weights),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _store(samples: Path, sample_id: str, drawn: list[Drawn], record: dict[str, Any]) -> SampleFolder:
    """Publish the set: a temporary folder, renamed when it is whole. A set of the same job is replaced."""
    samples.mkdir(exist_ok=True)
    target = SampleFolder(samples / sample_id)
    building = SampleFolder(samples / f".{sample_id}.new")
    shutil.rmtree(building.path, ignore_errors=True)
    with disk_errors(target.path):
        building.path.mkdir()
        pictures = np.concatenate([d.pictures for d in drawn])
        np.save(building.pictures, pictures)
        frames = [d.frames for d in drawn if d.frames is not None]
        if frames:
            np.save(building.trajectory, np.concatenate(frames, axis=1))
        save_png(building.grid, grid(pictures), {"ddpm-tui": f"{record['run']}@{record['checkpoint']}"})
        write_json(building.record, record)
    shutil.rmtree(target.path, ignore_errors=True)
    building.path.rename(target.path)
    return target


def _hand_out(folder: SampleFolder, drawn: list[Drawn], args: dict[str, Any]) -> list[str]:
    """Write the files that were asked for by path too; returns what was written. Raises UserError."""
    pictures = np.concatenate([d.pictures for d in drawn])
    written: list[str] = []

    def target(given: str) -> Path:
        path = Path(given)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write {path} ({error.strerror})", "give another path") from None
        written.append(str(path))
        return path

    try:
        if args.get("grid"):
            save_png(target(args["grid"]), grid(pictures, scale=int(args.get("scale") or 1)))
        if args.get("npy"):
            np.save(target(args["npy"]), pictures)
        if args.get("trajectory_file") and folder.trajectory.exists():
            frames = np.load(folder.trajectory)
            path = target(args["trajectory_file"])
            if path.suffix.lower() == ".gif":
                save_gif(path, [grid(frame, scale=max(1, 128 // frame.shape[1])) for frame in frames])
            else:
                save_png(path, strip(frames, scale=max(1, 64 // frames.shape[2])))
        if args.get("out"):
            out = Path(args["out"])
            out.mkdir(parents=True, exist_ok=True)
            for index, picture in enumerate(pictures):
                Image.fromarray(picture).save(out / f"{index:05d}.png")
            shutil.copy(folder.record, SampleFolder(out).record)
            written.append(str(out))
    except OSError as error:
        raise UserError(
            f"cannot write {error.filename or 'the pictures'} ({error.strerror or error})",
            f"the set itself is whole in {folder.path}",
        ) from None
    return written
