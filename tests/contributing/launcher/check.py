"""A new launcher is chosen in settings.toml, starts a worker that does its job, and finds it again by its handle."""

import asyncio
import os
import time
from pathlib import Path

from engine.base.home import Home
from engine.jobs.files import new_job_folder, read_result
from engine.service.launchers import launcher_named
from engine.service.launchers.base import take_lock
from engine.service.settings import read_settings
from tests.contributing.tiny_run import pictures

home = Home(Path(os.environ["DDPM_HOME"])).create()
home.settings.write_text('[queue]\nlauncher = "nice"\n')
home.settings.chmod(0o600)
settings, problems = read_settings(home.settings)
assert (settings.launcher, problems) == ("nice", [])
pictures(home)
folder = new_job_folder(home, "pack", None, {"dataset": "dots", "size": 16, "recipe": "whole"})
launcher = launcher_named(settings.launcher, home)
lock = take_lock(folder)
assert lock is not None
worker = launcher.start(folder, "cpu", lock)
lock.release()
found = launcher.adopt(folder, worker.handle)
assert found is not None
assert found.handle == worker.handle
pid = int(str(worker.handle).partition(":")[0])
lower = os.getpriority(os.PRIO_PROCESS, 0) + 1
until = time.monotonic() + 30
while os.getpriority(os.PRIO_PROCESS, pid) != lower:  # `nice` sets it a moment after it was started
    assert time.monotonic() < until
    time.sleep(0.01)
assert asyncio.run(worker.wait()) == 0, folder.log.read_text()
result = read_result(folder)
assert result is not None
assert result.outcome == "done"
assert launcher.adopt(folder, worker.handle) is None
