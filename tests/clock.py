"""Other clocks for processes under test: what time.time says there, by a sitecustomize on their PYTHONPATH."""

from pathlib import Path

_SHIFTED = """
import os, time
_shift, _real = float(os.environ["TEST_CLOCK_SHIFT"]), time.time
time.time = lambda: _real() + _shift
time.time_ns = lambda: int(time.time() * 1e9)
"""

_BACKWARDS = """
import time
_now = [time.time()]
def _back():
    _now[0] -= 60.0
    return _now[0]
time.time = _back
time.time_ns = lambda: int(_back() * 1e9)
"""


def shifted(folder: Path, seconds: float, *path: Path) -> dict[str, str]:
    """Variables under which a Python process is `seconds` in the future."""
    return {**_customized(folder / "shifted", _SHIFTED, path), "TEST_CLOCK_SHIFT": str(seconds)}


def backwards(folder: Path, *path: Path) -> dict[str, str]:
    """Variables under which the clock of a Python process is set back by a minute at every look."""
    return _customized(folder / "backwards", _BACKWARDS, path)


def _customized(folder: Path, code: str, path: tuple[Path, ...]) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": ":".join(str(part) for part in (folder, *path))}
