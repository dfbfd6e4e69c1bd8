"""Named places where a test can make this process die or fail, in the program as shipped.

`DDPM_FAILPOINTS="checkpoint.before_rename:2=kill,train.step:40=enospc"` acts on the second and fortieth time
each place is reached. Without the variable, reaching a place costs one dictionary look-up. With
`DDPM_FAILPOINTS_ONCE=FOLDER` each place acts once in all processes that share the folder, and leaves a file there.
"""

import errno
import os
import signal

_plan: dict[str, tuple[int, str]] = {}
_hits: dict[str, int] = {}

for _entry in filter(None, os.environ.get("DDPM_FAILPOINTS", "").split(",")):
    _place, _, _action = _entry.partition("=")
    _name, _, _hit = _place.partition(":")
    _plan[_name.strip()] = (int(_hit or 1), _action.strip())


def reach(name: str) -> None:
    """Mark that the place `name` is reached, and act as planned there."""
    if name not in _plan:
        return
    _hits[name] = _hits.get(name, 0) + 1
    hit, action = _plan[name]
    if _hits[name] != hit or _done_before(name):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    elif action == "enospc":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    elif action == "emfile":
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), name)
    elif action == "oom":
        raise MemoryError(f"failpoint {name}")
    else:
        raise RuntimeError(f"failpoint {name}")


def _done_before(name: str) -> bool:
    """Return whether another process has already acted here; if not, mark the place as done."""
    folder = os.environ.get("DDPM_FAILPOINTS_ONCE")
    if not folder:
        return False
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))  # noqa: PTH118 - a test's folder
    except FileExistsError:
        return True
    return False


def spoiled(name: str) -> bool:
    """Return whether the plan replaces the number at `name` with NaN ("=nan"), from the given hit on."""
    if name not in _plan:
        return False
    _hits[name] = _hits.get(name, 0) + 1
    hit, action = _plan[name]
    return action == "nan" and _hits[name] >= hit
