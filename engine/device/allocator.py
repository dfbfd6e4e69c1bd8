"""Settings of malloc for freed memory."""

import contextlib
import ctypes
import os
from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_MAX: Final = -4
"""Names of glibc's `mallopt`."""


def keep_memory() -> None:
    """Keep freed memory in the process, unless the user's environment has settings of malloc.

    A step on the CPU frees all its activations. By default glibc returns this memory to the system, which clears
    every page again for the next step: up to a tenth of its time (docs/performance.md). Does nothing without glibc.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    with contextlib.suppress(AttributeError, OSError):
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
