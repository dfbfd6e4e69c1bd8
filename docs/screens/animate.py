"""An animation of the screen from a real run: DDPM_HOME=… python docs/screens/animate.py RUN

The run's own curves and previews are shown as they came: training on the dashboard, then its film, then the faces of a
sample set that come out of noise. Writes live.gif beside this file; the run should be one on built-in faces.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from make import SIZE, draw
from PIL import Image

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.state.curves import RunCurves, RunFollower
from ddpm_tui.tui.state.reading import RunReader
from ddpm_tui.tui.state.snapshot import EngineStatus, JobView, Snapshot
from engine.base.home import Home
from engine.client.asynchronous import AsyncClient
from engine.jobs.files import Progress
from engine.service.states import Job, State

MOMENTS = 16
COLOURS = 96


class Replay:
    """A store that publishes what it is told."""

    def __init__(self, home: Home) -> None:
        self.link = AsyncClient(home)
        self.publish: Callable[[Snapshot], None] = lambda _: None

    def start(self, publish: Callable[[Snapshot], None]) -> None:
        self.publish = publish

    def follow(self, who: str, runs: Iterable[str]) -> None:
        """Curves are in every Snapshot."""

    def poke(self) -> None:
        """Nothing changes by itself."""

    async def caught_up(self) -> None:
        """As above."""

    async def close(self) -> None:
        """Nothing was opened."""


def until(curves: RunCurves, step: float) -> RunCurves:
    """What the run had at that step."""
    train, epochs = (
        {name: column[table["step"] <= step] for name, column in table.items()}
        for table in (curves.train, curves.epochs)
    )
    seen = [(at, path) for at, path in zip(curves.previews, curves.preview_paths, strict=True) if at <= step]
    return replace(
        curves,
        train=train,
        epochs=epochs,
        previews=tuple(at for at, _ in seen),
        preview_paths=tuple(p for _, p in seen),
    )


def at_work(curves: RunCurves, run: str, to_epoch: int) -> JobView:
    """The job that trained it, at the last step of these curves."""
    train = curves.train
    epoch, total = float(train["epoch"][-1]), to_epoch * float(train["step"][-1]) / float(train["epoch"][-1])
    speed = float(train["images_per_s"][-1])
    left = (total - float(train["step"][-1])) * float(train["images"][-1]) / float(train["step"][-1]) / speed
    progress = Progress(
        "training", int(train["step"][-1]), int(total), step=int(train["step"][-1]), epoch=epoch, to_epoch=to_epoch,
        images_per_s=speed, eta_s=left, lr=float(train["lr"][-1]), loss=float(train["loss"][-1]), device="cpu",
    )  # fmt: skip
    job = Job(
        "000001", "train", run, state=State.RUNNING, args={"to_epoch": to_epoch, "from_epoch": 0}, slot="cpu"
    )
    return JobView(job, progress)


async def main(run: str) -> None:
    home = Home.find()
    curves = RunFollower(home.run(run)).poll()
    views = tuple(view for view in RunReader(home).read() if view.name == run)
    to_epoch = round(float(curves.train["epoch"][-1]))
    store: Any = Replay(home)
    app = DdpmApp(home, store, terminal=Terminal(Depth.TRUECOLOR, unicode=True, braille=True, tty=True))
    engine = EngineStatus("connected", slots=("cpu",))
    frames: list[tuple[Image.Image, int]] = []

    def shoot(milliseconds: int) -> None:
        strips = app.screen._compositor.render_strips()
        frames.append((draw([list(strip) for strip in strips]), milliseconds))

    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(2.0)
        for step in np.linspace(0, float(curves.train["step"][-1]), MOMENTS + 1)[1:]:
            now = until(curves, float(step))
            job = at_work(now, run, to_epoch)
            progress = replace(job.progress, time=time.time()) if job.progress else None
            snapshot = Snapshot(
                time.time(), engine, (replace(job, progress=progress),), views, curves={run: now}, loaded=True
            )
            app.budget.forgive(1e12)
            store.publish(snapshot)
            await pilot.pause(0.8)
            shoot(350)
        await pilot.press("f", "z")
        await pilot.pause(1.5)
        shoot(3000)
        await pilot.press("z", "f", "4", "left_square_bracket")
        await pilot.pause(3.0)
        page: Any = app.screen
        page.view.scrub(-100)
        for _ in range(21):
            await pilot.pause(0.3)
            shoot(220)
            page.view.scrub(1)
        frames[-1] = (frames[-1][0], 2500)
    palette = frames[len(frames) // 2][0].quantize(COLOURS)
    pictures = [picture.quantize(COLOURS, palette=palette, dither=Image.Dither.NONE) for picture, _ in frames]
    path = Path(__file__).with_name("live.gif")
    times = [milliseconds for _, milliseconds in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=True)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
