"""Decoding on all cores: a few processes, blocks out, results back in order, a bounded number in flight.

Not `concurrent.futures`: its processes re-import the parent's main module (which is the worker, with torch)
and stay behind for ever when the parent is killed. Knows nothing of what is done with the results.
"""

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from engine.base.errors import DdpmError
from engine.data.decoder import Block, Result, Task

WINDOW: Final = 3
"""Blocks per process that may be under way or finished before their turn; bounds the memory."""


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class DecoderPool:
    """`processes` decoders at work on one task. A context manager: at its end none of them is left."""

    def __init__(self, task: Task, processes: int) -> None:
        self._children: dict[Connection, subprocess.Popen[bytes]] = {}
        self._busy: dict[Connection, int] = {}
        try:
            for _ in range(processes):
                connection, child = _start()
                self._children[connection] = child
                self._busy[connection] = 0
                connection.send(task)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def results(self, blocks: Iterable[Block], should_stop: Callable[[], bool]) -> Iterator[Result]:
        """The result of every block in the order of the blocks; ends early where `should_stop` says so.

        Raises DdpmError when a decoder dies.
        """
        waiting = iter(blocks)
        order: list[int] = []  # indices under way or finished early, in order
        early: dict[int, Result] = {}
        window = WINDOW * len(self._children)
        while not should_stop():
            for block in islice(waiting, window - len(order)):
                self._send(block)
                order.append(block.index)
            if not order:
                return
            for connection in wait(list(self._children), timeout=0.2):
                assert isinstance(connection, Connection)
                result = self._receive(connection)
                early[result.index] = result
            while order and order[0] in early:
                yield early.pop(order.pop(0))

    def _send(self, block: Block) -> None:
        connection = min(self._busy, key=lambda candidate: self._busy[candidate])
        try:
            connection.send(block)
        except OSError:
            raise self._died(connection) from None
        self._busy[connection] += 1

    def _receive(self, connection: Connection) -> Result:
        try:
            result = connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            raise self._died(connection) from None
        assert isinstance(result, Result)
        self._busy[connection] -= 1
        return result

    def _died(self, connection: Connection) -> DdpmError:
        child = self._children[connection]
        try:
            code = child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            code = 0
        why = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return DdpmError(
            f"a decoding process ended unexpectedly ({why})",
            "was memory short? Start it again: it goes on where it stopped",
        )

    def close(self) -> None:
        """End all decoders; those that do not leave by themselves are killed."""
        for connection in self._children:
            connection.close()
        for child in self._children.values():
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._children.clear()
        self._busy.clear()


def _start() -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            child = subprocess.Popen(
                # -P: a file named numpy.py in the user's folder must not be imported.
                [sys.executable, "-P", "-m", "engine.data.decoder", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # Ctrl-C and signals to the group are the parent's to decide on
            )
        except BaseException:
            ours.close()
            raise
    return Connection(ours.detach()), child


def _environment() -> dict[str, str]:
    """Ours, with the folder that holds this package first, and one thread a process for whatever would use
    more."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
