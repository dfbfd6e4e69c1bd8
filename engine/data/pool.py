"""Decoding on all cores: a few processes, results in order, a limited number of blocks in progress.

Not `concurrent.futures`: its processes import the parent's main module again (the worker, with torch) and stay behind
if the parent is killed. Knows nothing about the use of the results.
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
from engine.data.decoder import Block, DecodedBlock, Task

WINDOW: Final = 3
"""Blocks per process that may be in progress or finished early; limits the memory."""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class DecoderPool:
    """A context manager with `processes` decoders for one task; all of them end with it."""

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

    def results(self, blocks: Iterable[Block], should_stop: Callable[[], bool]) -> Iterator[DecodedBlock]:
        """Yield the result of every block in the order of the blocks; end early if `should_stop` returns True.

        Raises DdpmError if a decoder dies.
        """
        waiting = iter(blocks)
        order: list[int] = []  # indices in progress or finished early, in order
        early: dict[int, DecodedBlock] = {}
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

    def _receive(self, connection: Connection) -> DecodedBlock:
        try:
            result = connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            raise self._died(connection) from None
        assert isinstance(result, DecodedBlock)
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
            "memory may have run out; start it again to continue from there",
        )

    def close(self) -> None:
        """End all decoders; those that do not exit by themselves are killed."""
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
                start_new_session=True,  # the parent handles Ctrl-C and signals to the group
            )
        except BaseException:
            ours.close()
            raise
    return Connection(ours.detach()), child


def _environment() -> dict[str, str]:
    """Return this process's environment, with this package's folder first in the path, and one thread per process."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
