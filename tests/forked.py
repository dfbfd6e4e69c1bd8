"""The shipped worker without its start: a process that has imported torch forks once for each job.

Importing torch takes longer than a tiny job. The child is what `python -m engine.worker JOB` is after its imports:
a process with its own environment, folder, output, signals and end. Nothing is computed before the fork, so no job
finds anything of another one.
"""

import atexit
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_server: "subprocess.Popen[str] | None" = None


def run_worker(job: Path, env: Mapping[str, str], timeout: float) -> "subprocess.CompletedProcess[str]":
    """Do the job in a child of the process that is ready; kill it with SIGALRM after `timeout` seconds."""
    global _server
    if _server is None or _server.poll() is not None:
        command = [sys.executable, "-c", "from tests.forked import serve; serve()"]
        _server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        atexit.register(_server.communicate)
    assert _server.stdin
    assert _server.stdout
    with tempfile.TemporaryDirectory() as said:
        wish = {"job": str(job), "env": dict(env), "cwd": str(Path.cwd()), "timeout": timeout, "said": said}
        print(json.dumps(wish), file=_server.stdin, flush=True)
        code = int(_server.stdout.readline())
        out, err = (Path(said, name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess(["engine.worker", str(job)], code, out, err)


def serve() -> None:
    """Import what jobs need, then fork for each line of standard input and answer with the exit code."""
    import torch._dynamo  # noqa: F401 - the first step of an optimizer imports it

    import engine.worker.main  # noqa: F401
    from engine.base.named import load
    from engine.jobs.kinds import KINDS

    for kind in KINDS.values():
        load(kind.handler)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become_worker(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _become_worker(wish: dict[str, Any]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{wish['said']}/{name}", os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(wish["env"])
    os.chdir(wish["cwd"])
    sys.argv = ["engine.worker", wish["job"]]
    signal.alarm(math.ceil(wish["timeout"]))

    import importlib

    from engine.base import failpoints
    from engine.worker.main import run

    importlib.reload(failpoints)  # which reads its plan when it is imported
    code: Any = 1
    try:
        run()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(bool(code)))
