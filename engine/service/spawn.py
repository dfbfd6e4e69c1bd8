"""Starting the service from a client: only one, whoever asks, and so that it survives the client's logout.

Imports only the standard library and the service's protocol, because every command loads it.
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
"""Prefixes of variables that are passed on, because systemd starts a service with the user manager's environment."""


def start_engine(home: Home) -> None:
    """Start the service and return when it answers, or when another one holds the lock. Raises DdpmError."""
    # Create the home in the client, so that a folder without write permission is reported clearly.
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
    """Return PYTHONPATH with the place from which this package was imported, for a checkout that is not installed."""
    here = str(Path(__file__).resolve().parents[2])
    parts = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    if here in parts or Path(here).name in ("site-packages", "dist-packages"):
        return os.pathsep.join(parts)
    return os.pathsep.join([here, *parts])


def uses_systemd() -> bool:
    """Return whether a user manager stays after the last logout. DDPM_KEEPER=itself disables this."""
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
    """Return the command for a transient user service, one per home. KillMode=process: workers are its children and
    must survive it.
    """
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
