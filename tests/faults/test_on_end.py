"""on_end's promises while the engine is killed: two ends at once, a command that fails, one that hangs.

Three rounds by default; `make soak` sets DDPM_SOAK, and a tenth as many are made. DDPM_SOAK_SEED repeats a run.
"""

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.service.support import Service, add, make_home, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(5400)]

ROUNDS = max(3, int(os.environ.get("DDPM_SOAK", "0")) // 10)
COMMANDS = ("true", "exit 3", "sleep 1", "kill -9 $$", "seq 100000")


def test_none_comes_twice_and_no_job_is_disturbed(tmp_path: Path) -> None:
    seed = int(os.environ.get("DDPM_SOAK_SEED", random.SystemRandom().randrange(10**6)))
    dice = random.Random(seed)
    counts: Counter[str] = Counter()
    try:
        for number in range(ROUNDS):
            after = dice.choice(COMMANDS)
            on_end = f'echo "$DDPM_JOB $DDPM_OUTCOME" >> told; {after}'
            home = make_home(tmp_path / f"home-{number}", devices=["cpu", "cpu"], on_end=on_end)
            service = Service(home)
            try:
                jobs = [add(service) for _ in range(4)]  # two at once, twice
                failing = add(service, exit=3)
                time.sleep(dice.uniform(0.0, 1.5))
                service.kill()
                counts["kills"] += 1
                for job in jobs:
                    assert service.until(job, timeout=120)["state"] == "done", f"seed {seed}, round {number}"
                service.until(failing, "held", timeout=120)
                told = home.root / "told"
                wait_for(
                    lambda told=told: told.exists() and "held" in told.read_text(), what="the last is told"
                )
                lines = told.read_text().splitlines()
                assert len(set(lines)) == len(lines), f"seed {seed}, round {number}: {lines}"
                assert set(lines) <= {*(f"{int(job)} done" for job in jobs), f"{int(failing)} held"}
                counts["told"] += len(lines)
                counts["left out at a kill"] += 5 - len(lines)
            finally:
                service.close()
    finally:
        print(f"\nseed {seed}, {ROUNDS} rounds: {dict(counts)}")
    assert counts["left out at a kill"] <= 2 * counts["kills"], "more than what a kill can take"
