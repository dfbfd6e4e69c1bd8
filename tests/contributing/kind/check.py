"""A new kind of job is taken by the service, and done by the worker."""

import io
import os
from pathlib import Path

from engine.base.home import Home
from engine.jobs.context import Work
from engine.jobs.files import new_job_folder, read_result, read_spec
from engine.jobs.kinds import ADDED, title
from engine.service.planning import plan_job
from engine.worker.main import work_on
from tests.contributing.tiny_run import pictures

home = Home(Path(os.environ["DDPM_HOME"])).create()
pictures(home)
assert "count" in ADDED
args = {"dataset": "dots"}
assert plan_job(home, (), "count", args)
folder = new_job_folder(home, "count", None, args)
assert work_on(Work(home, folder, read_spec(folder), io.StringIO())) == 0
result = read_result(folder)
assert result is not None
assert result.message == "61 pictures"
assert title("count", None, args) == "count dots"
