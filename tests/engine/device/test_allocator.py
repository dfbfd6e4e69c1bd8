"""Freed memory stays with a process that says so, by the pages that the system had to hand out."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc's malloc")

FILL = """
import resource
from engine.device.allocator import keep_memory
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
size = 48 << 20
for _ in range(3):
    b"x" * size
before = faults()
b"x" * size
print(faults() - before)
"""
PAGES = (48 << 20) // 4096


def faults(first: str, **more: str) -> int:
    plain = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES" and not k.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", FILL.format(first=first)],
        env={**plain, **more}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_what_was_freed_is_used_again_without_the_system() -> None:
    assert faults("keep_memory()") < PAGES / 100


def test_by_itself_glibc_gives_it_back() -> None:
    assert faults("") > PAGES / 2


def test_settings_of_the_user_s_stand() -> None:
    assert faults("keep_memory()", MALLOC_TRIM_THRESHOLD_="131072") > PAGES / 2
