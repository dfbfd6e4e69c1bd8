"""The shipped worker without its start: a process that has imported torch forks once for each job.

Importing torch takes longer than a tiny job. The forked process is what `python -m engine.worker JOB` is after its
imports, with the environment, folder, output and lock that it was given. What a test or an engine starts, watches and
signals is `command()`, a small program that stands for it: signals are handed on, either's end is the other's. Nothing
is computed before the fork, so that no job finds anything of another one.

This file is that small program too, and imports little for that.
"""

import os
import signal
import socket
import sys

ASKED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def command() -> list[str]:
    """In place of `python -m engine.worker`. Starts the process that forks, if this one has none yet."""
    return [sys.executable, "-I", "-S", __file__, _server()]


def variables() -> dict[str, str]:
    """For engines and commands that are to start their workers so."""
    import json

    return {"DDPM_WORKER_COMMAND": json.dumps(command())}


_address = ""


def _server() -> str:
    """The socket of this process's own server."""
    global _address
    if not _address:
        import atexit
        import subprocess
        import tempfile
        from pathlib import Path

        folder = tempfile.TemporaryDirectory(prefix="forks-")
        _address = f"{folder.name}/socket"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(_address)
        listener.listen(16)
        server = subprocess.Popen(
            [sys.executable, "-c", "from tests.forked import serve; serve()", str(listener.fileno())],
            cwd=Path(__file__).parents[1], env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE, pass_fds=[listener.fileno()],
        )  # fmt: skip
        listener.close()
        atexit.register(folder.cleanup)
        atexit.register(server.communicate)  # it ends with its standard input
    return _address


def serve() -> None:
    """Import what jobs need, then fork for each connection until the end of standard input."""
    import contextlib
    import select

    listener = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch._dynamo  # noqa: F401 - the first step of an optimizer imports it

    import engine.worker.main  # noqa: F401
    from engine.base.named import load
    from engine.jobs.kinds import KINDS

    for kind in KINDS.values():
        load(kind.handler)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener not in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _attend(connection)
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _attend(connection: socket.socket) -> None:
    """Start one worker, hand signals on to it, kill it when the other end is gone, and say how it ended."""
    import contextlib
    import json
    import threading

    message, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, 8)
    while not message.endswith(b"\n"):
        message += connection.recv(1 << 16)
    wish = json.loads(message)
    child = os.fork()
    if child == 0:
        connection.close()
        _become_worker(wish, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)

    def hand_on() -> None:
        with contextlib.suppress(ProcessLookupError):
            while asked := connection.recv(1):
                os.kill(child, asked[0])
            os.kill(child, signal.SIGKILL)

    threading.Thread(target=hand_on, daemon=True).start()
    _, status = os.waitpid(child, 0)
    try:
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    finally:
        os._exit(0)


def _become_worker(wish: dict, descriptors: list[int]) -> None:
    import fcntl
    import importlib

    high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200) for descriptor in descriptors]
    for descriptor, number in zip(high, wish["descriptors"], strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for descriptor in set(descriptors) - set(wish["descriptors"]):
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.chdir(wish["folder"])
    sys.argv = ["engine.worker", *wish["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)

    from engine.base import failpoints
    from engine.worker.main import run

    importlib.reload(failpoints)  # it reads its plan when it is imported
    code: object = 1
    try:
        run()
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


def stand_for_worker(address: str, arguments: list[str]) -> None:
    """Have the job done and end as it ended."""
    import json

    descriptors = [0, 1, 2]
    if "--lock-fd" in arguments:
        descriptors.append(int(arguments[arguments.index("--lock-fd") + 1]))
    wish = {
        "arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd(),  # noqa: PTH109
        "descriptors": descriptors,
    }  # fmt: skip
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(address)
    message = json.dumps(wish).encode() + b"\n"
    sent = socket.send_fds(connection, [message], descriptors)
    connection.sendall(message[sent:])
    for number in ASKED:
        signal.signal(number, lambda number, _: connection.send(bytes([number])))
    code = int(connection.recv(16) or 1)
    if code < 0:
        if -code in ASKED:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    stand_for_worker(sys.argv[1], sys.argv[2:])
