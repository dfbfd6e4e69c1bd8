"""How torch's threads wait for each other. This must be set before torch is imported, so this module must not import
it.
"""

import os

SPINS = 1000
"""Spins of a thread at a barrier before it sleeps. libgomp's default of 300,000 blocks cores that other threads need
on a busy machine, even the thread that is waited for; on an idle machine fewer spins cost nothing
(docs/performance.md).
"""


def wait_briefly() -> None:
    """Let waiting threads sleep soon, unless the user's environment sets how they wait."""
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
