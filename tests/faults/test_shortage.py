"""Take open files away from an engine at random moments while it has jobs: nothing may fail, stop or be done twice.

Ten shortages by default; `make soak` makes as many as DDPM_SOAK says. The seed is printed: DDPM_SOAK_SEED repeats it.
"""

import contextlib
import os
import random
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import DdpmError
from engine.client.sync import NotRunningError
from engine.service.states import Priority
from tests.engine.service.support import STATES_OVER, Service, ends, make_home, make_run, metrics

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(5400)]

SHORTAGES = min(int(os.environ.get("DDPM_SOAK", "10")), 1000)
STEPS_PER_EPOCH = 4
MOST_WAITING = 6


def test_every_shortage_is_waited_out(tmp_path: Path) -> None:
    seed = int(os.environ.get("DDPM_SOAK_SEED", random.SystemRandom().randrange(10**6)))
    dice = random.Random(seed)
    print(f"\nseed {seed}")
    home = make_home(tmp_path / "home", devices=["cpu", "cpu"], on_end="true")
    make_run(home, "r", chunk_epochs=1)
    service = Service(home, STEADY_PAUSE="0.01")
    counts: Counter[str] = Counter()
    jobs: list[str] = []
    epoch = 0

    def ask(do: str, **args: Any) -> Any:
        """A request as a command makes it: it may be refused, in one line."""
        try:
            return service.request(do, **args)
        except NotRunningError:
            counts["requests that found no engine"] += 1
        except DdpmError:
            counts["requests refused"] += 1
        return None

    try:
        for number in range(SHORTAGES):
            while len([j for j in jobs[-MOST_WAITING:] if service.job(j)["state"] not in STATES_OVER]) < 3:
                if dice.random() < 0.5:
                    epoch += 1
                    added = service.request("train", target="r", to_epoch=epoch, token=f"t{number}-{epoch}")
                else:
                    priority = dice.choice([p.name.lower() for p in Priority])
                    added = service.request("add", kind="sample", args={"pause": 0.01}, priority=priority)
                jobs.append(added["job"]["id"])
            time.sleep(dice.uniform(0.0, 0.3))
            if number % 10 == 9:  # also while it takes up what an earlier one left
                service.kill()
                service.request("status")
            pid = service.pid
            assert pid is not None
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            taken = max((int(fd) for fd in os.listdir(f"/proc/{pid}/fd")), default=3)
            limit = dice.choice([3, taken, *range(taken + 1, taken + 6)])
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
            counts[f"limit {'3' if limit == 3 else f'{limit - taken:+d}'}"] += 1
            end = time.monotonic() + dice.uniform(0.05, 1.5)
            with contextlib.suppress(AssertionError):
                while time.monotonic() < end:
                    what = dice.choice(["pause", "resume", "move"])
                    if what == "move":
                        ask("move", ids=[jobs[-1]], where="first")
                    else:
                        ask(what, ids=[dice.choice(jobs[-3:])])
                    time.sleep(0.05)
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            assert service.pid == pid, f"shortage {number}: the engine died\n{service.log()[-3000:]}"
            for job in jobs[-MOST_WAITING:]:
                if service.job(job)["state"] == "paused":
                    ask("resume", ids=[job])
        for job in jobs:
            if service.job(job)["state"] in ("paused", "queued"):
                ask("resume", ids=[job])
            ended = service.until(job, timeout=120)
            assert ended["state"] == "done", (seed, ended)
            assert (ends(ended), ended["crashes"]) == (1, 0), (seed, ended["history"])
        assert len(metrics(home)) == epoch * STEPS_PER_EPOCH, f"seed {seed}: a step was lost or done twice"
        assert "Traceback" not in service.log(), (seed, service.log())
        counts["jobs done"] = len(jobs)
    finally:
        service.close()
        for what, count in sorted(counts.items()):
            print(f"{count:5}  {what}")
