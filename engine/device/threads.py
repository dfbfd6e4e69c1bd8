"""How torch's threads wait for each other. To be said before torch is imported, so this module must not import it."""

import os

SPINS = 1000
"""Turns that a thread at a barrier spins before it sleeps. libgomp's own 300,000 burn a core that others on a busy
machine need, the thread that is waited for above all; on an idle one fewer cost nothing (docs/performance.md)."""


def wait_briefly() -> None:
    """Let threads that wait fall asleep soon, unless the user's environment says how they wait."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
