"""Real folders for the tests of screens 3 to 5: runs with checkpoints, samples and previews, without torch."""

import asyncio
import dataclasses
import json
from pathlib import Path

import numpy as np

from ddpm_tui.tui.state.reading import RunReader
from ddpm_tui.tui.state.snapshot import EngineStatus, Snapshot
from engine.base.folders import RunFolder, SampleFolder
from engine.base.home import ExportPlace, Home
from engine.config.profile import Profile
from engine.runs.checkpoints import Manifest, publish
from engine.runs.record import create_run, freeze
from tests.ddpm_tui.fakes import NOW, face, save_grid


def make_run(home: Home, name: str, steps: tuple[int, ...] = (100, 200, 300), size: int = 32) -> RunFolder:
    """A run that trained: its checkpoints' weights are a few bytes, step 200 has the lowest eps error."""
    profile = Profile()
    create_run(
        home,
        name,
        profile.model_copy(update={"data": profile.data.model_copy(update={"size": size})}),
        "demo",
    )
    run = home.run(name)
    freeze(run, precision="fp32")
    for step in steps:
        manifest = Manifest(
            step, step // 100, step * 64, 0, 100, "unet", train_loss=0.2, val_loss=0.25,
            eps_error=0.4 if step == 200 else 0.5, lr=1e-3, torch_version="2", created="2025-11-22T10:00:00+00:00",
        )  # fmt: skip

        def write(folder) -> None:
            folder.model.write_bytes(b"model")
            folder.ema.write_bytes(b"average")

        publish(run, manifest, write)
        save_grid(run.preview(step), count=4, size=size, columns=2, shift=step // 100, epoch=step // 100)
    return run


def make_samples(
    run: RunFolder | ExportPlace, sample_id: str = "000001", n: int = 6, kept: int = 2, **more: object
) -> None:
    """A sample set with the denoising of its first pictures; `more` goes into its record."""
    folder = SampleFolder(run.samples / sample_id)
    folder.path.mkdir(parents=True)
    pictures = np.stack([face(i) for i in range(n)])
    np.save(folder.pictures, pictures)
    if kept:
        np.save(folder.trajectory, np.stack([pictures[:kept] // 4, pictures[:kept] // 2, pictures[:kept]]))
    facts = {
        "format": 1,
        "run": run.name,
        "checkpoint": 200,
        "epoch": 2.0,
        "n": n,
        "size": 32,
        "sampler": "ddim",
    }
    facts |= {"steps": 10, "seed": 3, "weights": "ema", "created": "2025-11-22T11:00:00+00:00"}
    folder.record.write_text(json.dumps(facts | more))


def snapshot(home: Path) -> Snapshot:
    """What the runs in `home` look like to a store."""
    return Snapshot(
        NOW,
        EngineStatus("connected", slots=("cpu",), version="0"),
        runs=RunReader(Home(home)).read(),
        loaded=True,
    )


def refresh(app) -> None:
    """What a live store does when it is poked."""
    app.store.set(dataclasses.replace(snapshot(app.home.root), time=app.snapshot.time + 60))


async def until(pilot, true, seconds: float = 60.0) -> None:
    """Wait until `true()`; threads and imports take their time on a busy machine. Fails by saying what is shown."""
    for _ in range(int(seconds / 0.05)):
        await pilot.pause()
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"did not come true; the screen shows:\n{text(pilot.app)}")


def text(app) -> str:
    """The screen as plain text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
