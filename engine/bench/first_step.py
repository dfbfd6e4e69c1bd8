"""`python -m engine.bench.first_step DEVICE STARTED`: a worker's way to its first optimizer step, timed.

STARTED is the starter's monotonic clock, a profile comes as JSON on standard input; seconds of each part go out
as JSON. Imports stand in the code that times them.
"""

import json
import sys
import time

from engine.device.allocator import keep_memory


def main(device: str, started: float) -> dict[str, float]:
    """Return the seconds of every part, in order, and of all."""
    found: dict[str, float] = {}
    last = started

    def done(part: str) -> None:
        nonlocal last
        now = time.monotonic()
        found[part] = now - last
        last = now

    done("Python")
    keep_memory()
    import torch  # noqa: F401 - its import is what is timed

    done("import torch")
    from engine.bench.subject import make_subject
    from engine.config.store import build_profile
    from engine.device import plan as precision

    done("import the engine")
    profile = build_profile(json.loads(sys.stdin.read()), "the profile")
    facts = precision.gather(device)
    subject = make_subject("first", profile, facts, gflop=0.0, whole_batch=True)
    done("network and optimizer")
    subject.step()
    done("first step")
    subject.step()
    done("second step")
    found["to the end of the first step"] = sum(list(found.values())[:5])
    return found


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]))))
