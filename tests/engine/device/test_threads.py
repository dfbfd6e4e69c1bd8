"""Threads that wait fall asleep soon: said by libgomp itself, in the process that trains."""

import os
import re
import subprocess
import sys

import pytest

from engine.device.threads import SPINS, wait_briefly


def _environment(**more: str) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    return {**plain, "OMP_DISPLAY_ENV": "VERBOSE", **more}


def _spins_of_a_worker(**more: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "engine.worker", "facts"],
        env=_environment(**more), capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's")
def test_torch_in_a_worker_spins_briefly() -> None:
    assert _spins_of_a_worker() == [str(SPINS)]


@pytest.mark.skipif(sys.platform != "linux", reason="libgomp is Linux's")
def test_what_the_user_says_stands() -> None:
    assert _spins_of_a_worker(GOMP_SPINCOUNT="77") == ["77"]


def test_a_policy_of_the_user_s_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    wait_briefly()
    assert "GOMP_SPINCOUNT" not in os.environ
