"""What screen tests stand on: a store that publishes what it is told, a link that records requests, fixed data.

No CelebA, no torch, no service: pictures are drawn here from a formula, curves from another, the clock stands still.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ddpm_tui.draw.terminal import Depth, Terminal
from ddpm_tui.tui.app import DdpmApp
from ddpm_tui.tui.state.curves import RunCurves
from ddpm_tui.tui.state.snapshot import Device, EngineStatus, Event, JobView, Meters, RunView, Snapshot
from engine.base.home import Home
from engine.jobs.files import Progress
from engine.service.states import Job, Priority, State

NOW = 1_763_900_000.0
"""The fake wall clock: 23 November 2025."""

FULL = Terminal(Depth.TRUECOLOR, True, True, True)


class FakeLink:
    """Records requests; `answers` maps a verb to a reply, or to an exception to raise."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}

    async def request(self, do: str, **args: Any) -> Any:
        given = {key: value for key, value in args.items() if value is not None}
        self.requests.append((do, given))
        answer = self.answers.get(do, {})
        if isinstance(answer, Exception):
            raise answer
        return answer(**given) if callable(answer) else answer

    async def listen(self, start: bool = True) -> AsyncIterator[dict[str, Any]]:
        return
        yield {}

    async def close(self) -> None:
        pass

    def asked(self, do: str) -> list[dict[str, Any]]:
        """The arguments of every request of that verb."""
        return [args for verb, args in self.requests if verb == do]


class FakeStore:
    """Shows `snapshot`; `set` publishes another one."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.link = FakeLink()
        self.followed: dict[str, frozenset[str]] = {}
        self.pokes = 0
        self._publish: Callable[[Snapshot], None] = lambda _: None

    def start(self, publish: Callable[[Snapshot], None]) -> None:
        self._publish = publish
        publish(self.snapshot)

    def set(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._publish(snapshot)

    def follow(self, who: str, runs: Iterable[str]) -> None:
        self.followed[who] = frozenset(runs)

    def poke(self) -> None:
        self.pokes += 1

    async def caught_up(self) -> None:
        self.poke()

    async def close(self) -> None:
        pass


FIGURES: dict[str, Any] = {
    "parameters": 2_200_000, "forward_macs": 5e8, "state_bytes": 44e6, "activation_bytes": 1e8,
    "checkpoint_bytes": 35e6, "summary": "a test",
}  # fmt: skip
"""What a fake estimator says of any profile."""


class FakeEstimator:
    """Answers at once; `asked` are the profiles, `answer` what it says, or an exception to raise."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = FIGURES

    async def figures(self, profile: dict[str, Any]) -> dict[str, Any] | None:
        self.asked.append(profile)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self) -> None:
        pass


def make_app(home: Path, snapshot: Snapshot, terminal: Terminal = FULL, theme: str = "ddpm-dark") -> DdpmApp:
    """The real app on fakes. `app.store` is a FakeStore, `app.store.link` a FakeLink."""
    app = DdpmApp(Home(home).create(), FakeStore(snapshot), terminal=terminal, estimator=FakeEstimator())
    if theme:
        app.theme = theme
    return app


def face(seed: int, size: int = 32) -> np.ndarray:
    """A picture that could be a face, uint8 (size, size, 3), the same for a seed for ever."""
    y, x = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
    hue = np.array([0.9, 0.72, 0.6]) * (0.6 + 0.4 * ((seed * 37) % 10) / 10)
    ground = np.array([0.2 + 0.07 * (seed % 5), 0.35, 0.5 - 0.06 * (seed % 4)])
    picture = np.broadcast_to(ground, (size, size, 3)).copy()
    picture[(x / 0.65) ** 2 + (y / 0.85) ** 2 < 1] = hue
    picture[(y < -0.35) & ((x / 0.7) ** 2 + (y / 0.9) ** 2 < 1)] = hue * 0.3
    for side in (-0.28, 0.28):
        picture[(x - side) ** 2 + (y + 0.1) ** 2 < 0.012] = 0.1
    picture[(abs(x) < 0.25) & (abs(y - 0.45 - 0.2 * x * x) < 0.05)] = (0.7, 0.25, 0.25)
    return (picture * 255).astype(np.uint8)


def save_grid(
    path: Path, count: int = 16, size: int = 32, columns: int = 4, shift: int = 0, epoch: int | None = None
) -> Path:
    """A preview sheet of `count` faces as the worker writes them, with its epoch where one is given."""
    rows = -(-count // columns)
    sheet = np.zeros((rows * size, columns * size, 3), dtype=np.uint8)
    for n in range(count):
        r, c = divmod(n, columns)
        sheet[r * size : (r + 1) * size, c * size : (c + 1) * size] = face(n + shift, size)
    path.parent.mkdir(parents=True, exist_ok=True)
    told = PngInfo()
    if epoch is not None:
        told.add_text("epoch", str(epoch))
    Image.fromarray(sheet).save(path, pnginfo=told)
    return path


def curves(run: str, epochs: int = 12, per_epoch: int = 40, seed: int = 0, **more: Any) -> RunCurves:
    """A training that goes as trainings go, the same for a seed for ever."""
    rng = np.random.default_rng(seed)
    n = epochs * per_epoch
    step = np.arange(1, n + 1) * 10.0
    loss = 0.05 + 0.4 * np.exp(-np.arange(n) / 60) + rng.normal(0, 0.01, n)
    ends = np.arange(1, epochs + 1)
    val = 0.055 + 0.4 * np.exp(-ends * per_epoch / 60)
    table = {
        "step": step,
        "epoch": step / (10 * per_epoch),
        "images": step * 64,
        "loss": loss,
        "lr": np.full(n, 1e-3),
        "grad_norm": np.full(n, 0.4),
        "images_per_s": np.full(n, 131.0),
    }
    whole = {
        "step": ends * per_epoch * 10.0,
        "epoch": ends.astype(float),
        "images": ends * per_epoch * 640.0,
        "train_loss": val - 0.003,
        "val_loss": val,
        "eps_error": val / 2,
        "lr": np.full(epochs, 1e-3),
        "seconds": np.full(epochs, 60.0),
    }
    return RunCurves(run, table, whole, **more)


def job(
    number: int, state: State = State.QUEUED, kind: str = "train", run: str = "celeba32-1", **more: Any
) -> JobView:
    """A row of the queue; `progress=` and `wait=` go to the view, the rest to the job."""
    progress, wait = more.pop("progress", None), more.pop("wait", "")
    args = {"to_epoch": 25} if kind == "train" else {"checkpoint": f"{run}@latest", "n": 64}
    plain = {"rank": float(number), "args": args, "created": NOW - 3600}
    return JobView(Job(f"{number:06d}", kind, run, state=state, **plain | more), progress, wait)


def training(**more: Any) -> Progress:
    """A worker in the middle of epoch 12."""
    values: dict[str, Any] = {
        "phase": "training", "done": 1518, "total": 3050, "unit": "steps", "step": 4976, "epoch": 12.44,
        "to_epoch": 25, "images_per_s": 131.2, "eta_s": 780.0, "loss": 0.0613, "lr": 1e-3, "device": "cpu",
        "time": NOW,
    }  # fmt: skip
    return Progress(**{**values, **more})


PROFILE = {
    "data": {"dataset": "celeba", "size": 32},
    "training": {"epochs": 150, "chunk_epochs": 25, "batch_size": 64},
    "optim": {"lr": 1e-3},
}


def filled(home: Path) -> Snapshot:
    """A busy machine: one training run with curves and previews, a branch of it, a queue of five jobs."""
    steps = []
    for epoch in range(1, 13):
        steps.append(epoch * 400)
        save_grid(home / "runs/celeba32-1/previews" / f"{epoch * 400:08d}.png", shift=epoch)
    paths = tuple(str(home / "runs/celeba32-1/previews" / f"{s:08d}.png") for s in steps)
    gpu = Device("GTX 1060 6GB", 0.93, 4_100_000_000, 6_400_000_000, 71, 112.0, 120.0, 1)
    machine = Device("2 CPU cores", 0.37, 3_100_000_000, 8_300_000_000)
    return Snapshot(
        NOW,
        EngineStatus("connected", slots=("cuda:0", "cpu"), version="0.1.0"),
        (
            job(10, State.DONE, args={"to_epoch": 10}, ended=NOW - 900, started=NOW - 3000),
            job(12, State.RUNNING, started=NOW - 700, slot="cuda:0", progress=training()),
            job(13, State.QUEUED, "sample", priority=Priority.HIGH, wait="starts when job 12 ends its chunk"),
            job(14, State.QUEUED, args={"to_epoch": 50}, wait="job 12 is training celeba32-1"),
            job(15, State.PAUSED, run="faces-1", reason="paused"),
            job(11, State.FAILED, run="broken-1", reason="out of memory", hint="use a smaller model", ended=NOW - 80),
        ),
        (
            RunView(
                "celeba32-1", "celeba32", "2025-11-22T10:00:00", profile=PROFILE,
                checkpoints=4, latest_step=4800, epoch=12,
            ),
            RunView(
                "celeba32-2", "celeba32", "2025-11-23T10:00:00", "celeba32-1", 4000, ("optim.lr: 0.001 → 0.0001",),
                PROFILE, checkpoints=2, latest_step=4400, epoch=11,
            ),
            RunView("broken-1", created="2025-11-23T11:00:00", problem="run.json cannot be read (Expecting value)"),
        ),
        (
            Event(NOW - 3000, "train celeba32-1 to epoch 10: running", "accent"),
            Event(NOW - 900, "train celeba32-1 to epoch 10: done", "good"),
            Event(NOW - 80, "train broken-1 to epoch 25: failed, out of memory", "bad"),
        ),
        Meters((gpu,), machine, 51_000_000_000),
        {
            "celeba32-1": curves("celeba32-1", previews=tuple(steps), preview_paths=paths),
            "celeba32-2": curves("celeba32-2", epochs=11, seed=1),
        },
        loaded=True,
    )  # fmt: skip


def empty() -> Snapshot:
    """A fresh machine."""
    return Snapshot(NOW, EngineStatus("connected", slots=("cpu",), version="0.1.0"), loaded=True)
