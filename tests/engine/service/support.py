"""A home with a run in it, a real service on it, and a sure end for both."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.base.files import is_locked
from engine.base.folders import RunFolder
from engine.base.home import Home
from engine.client.sync import Client, NotRunningError, ensure_engine, insistent_request
from engine.jobs.files import read_progress
from engine.service.launchers import processes
from engine.service.launchers.local import process_of

ROOT = Path(__file__).resolve().parents[3]
STEADY = [sys.executable, "-P", str(Path(__file__).with_name("steady_worker.py"))]
STATES_OVER = ("done", "failed", "cancelled")


def make_home(path: Path, **settings: Any) -> Home:
    """A home with settings that suit tests: nothing waits."""
    home = Home(path).create()
    values = {"retry_delay_s": 0.0, **settings}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    home.settings.write_text("[queue]\n" + "\n".join(lines) + "\n")
    return home


def make_run(home: Home, name: str = "r", chunk_epochs: int = 2) -> None:
    """run.json as far as the queue reads it."""
    folder = home.run(name)
    folder.checkpoints.mkdir(parents=True)
    profile = {"training": {"chunk_epochs": chunk_epochs, "epochs": 8, "device": "auto"}}
    record = {"format": 1, "name": name, "created": "", "profile_name": "p", "profile": profile, "frozen": {}}
    folder.record.write_text(json.dumps({**record, "lineage": None, "versions": {}}))


def checkpoint(run: RunFolder, step: int, per_epoch: int) -> None:
    """A checkpoint that is a manifest and one small file."""
    folder = run.checkpoint(step)
    folder.path.mkdir(parents=True)
    content = f"{step}".encode()
    folder.model.write_bytes(content)
    files = {folder.model.name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}}
    facts = {"step": step, "epoch": step // per_epoch, "images": step, "position": step % per_epoch}
    more = {"format": 1, "steps_per_epoch": per_epoch, "architecture": "none", "files": files}
    folder.manifest.write_text(json.dumps({**facts, **more}))


def close_gate(home: Home, name: str) -> None:
    """Let steady workers of `home` wait at the gate `name` from now on; see steady_worker.py."""
    (home.root / "gates").mkdir(exist_ok=True)
    (home.root / "gates" / name).touch()


def open_gate(home: Home, name: str) -> None:
    (home.root / "gates" / name).unlink()


class Service:
    """A service on `home`, started and found as clients do. `environment` is the service's and its workers'."""

    def __init__(self, home: Home, command: list[str] | None = None, **environment: str) -> None:
        self.home = home
        self.command = command or STEADY
        self.environment = environment

    @contextlib.contextmanager
    def surroundings(self, **more: str) -> Iterator[None]:
        """The service's environment, and `more`, as this process's: what it starts inside has it."""
        values = {
            "DDPM_HOME": str(self.home.root),
            "DDPM_KEEPER": "itself",
            "DDPM_WORKER_COMMAND": json.dumps(self.command),
            "PYTHONPATH": str(ROOT),
            **self.environment,
            **more,
        }
        before = {key: os.environ.get(key) for key in values}
        os.environ.update(values)
        try:
            yield
        finally:
            for key, value in before.items():
                os.environ.pop(key) if value is None else os.environ.update({key: value})

    def client(self, **more: str) -> Client:
        """A connection; starts the service where it is not there, with `more` in its environment."""
        with self.surroundings(**more):
            return ensure_engine(self.home, "test")

    def request(self, do: str, **args: Any) -> Any:
        """One request. Raises NotRunningError where the service dies under it."""
        with self.client() as client:
            return client.request(do, **args)

    def insist(self, do: str, **args: Any) -> Any:
        """One request that may be done twice: once more where a failpoint kills the service under it."""
        with self.surroundings():
            return insistent_request(self.home, do, **args)

    def command_line(
        self, *arguments: str, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """`ddpm-tui queue …` / `engine …` as a person types it."""
        with self.surroundings():
            return subprocess.run(
                [sys.executable, "-m", "ddpm_tui.cli.main", *arguments],
                capture_output=True, text=True, check=check, timeout=timeout, cwd=ROOT,
            )  # fmt: skip

    @property
    def pid(self) -> int | None:
        """The living service's."""
        if not is_locked(self.home.engine_lock):
            return None
        return int(self.home.engine_lock.read_text().split()[1])

    def kill(self) -> int | None:
        """SIGKILL, and wait until it is gone."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_locked(self.home.engine_lock))
        return pid

    def job(self, job_id: str) -> dict[str, Any]:
        """As the service shows it, with the pid of its worker."""
        job = self.request("show", id=job_id)
        return {**job, "pid": process_of(job["handle"])[0]}

    def until(self, job_id: str, *states: str, timeout: float = 60.0) -> dict[str, Any]:
        """Wait for a job's state; a service that dies meanwhile is started again, as any client would.

        A state that passes by itself may be missed: close a gate first where the worker must still be there."""
        end = time.monotonic() + timeout
        job: dict[str, Any] = {"state": "unknown", "reason": "the service never answered"}
        while True:
            with contextlib.suppress(NotRunningError):
                job = self.job(job_id)
                if job["state"] in (states or STATES_OVER):
                    return job
            if time.monotonic() > end:
                raise AssertionError(
                    f"job {job_id} is {job['state']} ({job['reason']}), not {states}\n{self.log()}"
                )
            time.sleep(0.02)

    def log(self) -> str:
        return self.home.engine_log.read_text() if self.home.engine_log.exists() else ""

    def worker_pids(self) -> list[int]:
        """Every process whose command line names a job of this home."""
        wanted, found = str(self.home.jobs).encode(), []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "cmdline").read_bytes() and not processes.is_zombie(
                        int(entry.name)
                    ):
                        found.append(int(entry.name))
        return found

    def close(self) -> None:
        """Kill the service and all workers of this home."""
        self.kill()
        for pid in self.worker_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_for(condition: Callable[[], Any], timeout: float = 60.0, what: str = "") -> Any:
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"it did not happen in {timeout} s: {what or condition}")
        time.sleep(0.01)
    return value


def ends(job: dict[str, Any]) -> int:
    """How often the job reached its end."""
    return sum(event["after"] in STATES_OVER for event in job["history"])


def add(service: Service, kind: str = "sample", **args: object) -> str:
    """A job without a run; `pause` seconds a step."""
    common = {key: args.pop(key) for key in ("after", "priority", "device") if key in args}
    return str(service.request("add", kind=kind, args=args, **common)["job"]["id"])


def train(service: Service, to_epoch: int, run: str = "r", **common: object) -> str:
    return str(service.request("train", target=run, to_epoch=to_epoch, **common)["job"]["id"])


def change(service: Service, do: str, job: str, **args: object) -> dict[str, object]:
    (answer,) = service.request(do, ids=[job], **args)
    assert answer["error"] is None, answer["error"]
    return dict(answer["job"])


def metrics(home: Home, run: str = "r") -> list[str]:
    path = home.run(run).metrics
    return path.read_text().splitlines() if path.exists() else []


def step_of(home: Home, job: str) -> int | None:
    progress = read_progress(home.job(job))
    return progress.step if progress else None
