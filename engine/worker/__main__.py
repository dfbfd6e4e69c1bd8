"""Run one job: `python -m engine.worker JOB_DIR`."""

from engine.worker.main import run

run()
