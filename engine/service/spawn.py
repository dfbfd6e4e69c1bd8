"""Starting the service from a client: once, whoever asks, in a way that outlives the client's login.

Standard library only, and of the service only its protocol: the command line loads this.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.base.errors import BusyError, DdpmError
from engine.base.home import Home
from engine.base.scarcity import shortage
from engine.service.protocol import ProtocolError, decode, error_from_wire

PASSED_ON = (
    "PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "HTTP_PROXY",
    "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
)  # fmt: skip
PASSED_ON_PREFIXES = (
    "DDPM_",
    "CUDA_",
    "NVIDIA_",
    "TORCH",
    "PYTORCH_",
    "OMP_",
    "MKL_",
    "PYTHON",
    "LC_",
    "XDG_DATA",
)
"""systemd starts a service with the user manager's environment; these are handed over from ours."""


def start_engine(home: Home) -> None:
    """Start the service and return when it answers, or when another one has the lock. Raises DdpmError."""
    # Made by the client already, so that a folder nobody can write to is said here and plainly.
    home.create()
    if uses_systemd() and _start_with_systemd(home):
        return
    with shortage("the engine cannot be started now"):
        started = subprocess.run(
            [sys.executable, "-P", "-m", "engine.service", str(home.root)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": python_path()},
            cwd=home.root,
            start_new_session=True,
            check=False,
        )
    if started.returncode == 0:
        return
    try:
        error = error_from_wire(decode(started.stdout))
    except ProtocolError:
        lines = started.stderr.decode(errors="replace").strip().splitlines()
        raise DdpmError(
            f"the engine did not start ({lines[-1] if lines else 'it said nothing'})",
            f"see {home.engine_log}",
        ) from None
    if not isinstance(error, BusyError):
        raise error


def python_path(environment: Mapping[str, str] = os.environ) -> str:
    """PYTHONPATH with the place this package was imported from, for a checkout that is not installed."""
    here = str(Path(__file__).resolve().parents[2])
    parts = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    if here in parts or Path(here).name in ("site-packages", "dist-packages"):
        return os.pathsep.join(parts)
    return os.pathsep.join([here, *parts])


def uses_systemd() -> bool:
    """Whether a user manager is here that stays after the last logout. DDPM_KEEPER=itself says no."""
    if os.environ.get("DDPM_KEEPER") == "itself" or not shutil.which("systemd-run"):
        return False
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if not runtime or not (Path(runtime) / "systemd" / "private").exists():
        return False
    from engine.service.doctor_facts import gather, keeper

    return keeper(gather()) == "systemd"


def _start_with_systemd(home: Home) -> bool:
    command = systemd_command(home.root, os.environ)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return done.returncode == 0


def systemd_command(root: Path, environment: Mapping[str, str]) -> list[str]:
    """A transient user service, one a home. KillMode=process: workers are its children and must outlive its end."""
    passed_on = {
        name: value
        for name, value in environment.items()
        if name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)
    }
    passed_on |= {"PYTHONPATH": python_path(), "DDPM_KEEPER": "systemd"}
    return [
        "systemd-run", "--user", "--quiet", "--collect",
        f"--unit=ddpm-tui-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}",
        "--property=KillMode=process", "--property=Restart=on-failure", "--property=RestartSec=1",
        f"--working-directory={root}",
        *(f"--setenv={name}={value}" for name, value in passed_on.items()),
        sys.executable, "-P", "-m", "engine.service", "--foreground", str(root),
    ]  # fmt: skip
