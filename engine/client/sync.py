"""The synchronous client, for the command line: one connection, requests in turn, events while waiting.

Every `queue` command imports this, so it imports only the standard library and small packages of the engine. The
terminal app uses `engine.client.asynchronous`.
"""

import contextlib
import errno
import select
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.base.errors import DdpmError
from engine.base.files import is_locked
from engine.base.home import Home
from engine.base.scarcity import shortage
from engine.base.version import VERSION
from engine.service.address import find_socket
from engine.service.protocol import (
    LINE_LIMIT,
    ProtocolError,
    check_hello,
    decode,
    encode,
    error_from_wire,
    hello,
    outdated,
)

TIMEOUT_S = 30.0
"""Seconds to wait for a reply. The engine answers in milliseconds unless its disk hangs."""

START_S = 20.0
"""Seconds to wait for a starting engine."""


class NotRunningError(DdpmError):
    """No engine answers at this home's socket."""


class Client:
    """A connection. outdated: a note for users if the engine is of an older version, else "". Raises NotRunningError
    if no engine answers, VersionError if its protocol is not supported.
    """

    def __init__(self, home: Home, name: str = "cli", greet: "Greet | None" = None) -> None:
        """Connect. `greet` is called with the client once it is connected."""
        self.home = home
        path = find_socket(home)
        with shortage("the engine cannot be asked now"):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(TIMEOUT_S)
        self._buffer = b""
        self._events: list[dict[str, Any]] = []
        self._number = 0
        try:
            _connect(self._socket, path)
            self._socket.sendall(encode(hello(VERSION, client=name)))
            self.engine = check_hello(self._reply(self._line()), "engine")
        except TimeoutError:
            self._socket.close()
            raise _no_answer() from None
        except (FileNotFoundError, NotADirectoryError, ConnectionError, PermissionError) as error:
            self._socket.close()
            raise NotRunningError(
                f"no engine answers at {path} ({error.strerror})", "ddpm-tui engine start"
            ) from None
        except BaseException:
            self._socket.close()
            raise
        self.outdated = outdated(self.engine)
        if greet is not None:
            greet(self)

    def request(self, do: str, **args: Any) -> Any:
        """Make one request and return its result. Raises the engine's error, or NotRunningError if the engine went
        away before its reply.
        """
        self._number += 1
        given = {key: value for key, value in args.items() if value is not None}
        try:
            self._socket.sendall(encode({"id": self._number, "do": do, "args": given}))
            while True:
                message = decode(self._line())
                if "event" in message:
                    self._events.append(message)
                elif message.get("id") == self._number or message.get("id") is None:
                    return self._reply(message).get("result")
        except TimeoutError:
            raise _no_answer() from None
        except ConnectionError:
            raise NotRunningError("the engine went away before it answered", "ddpm-tui engine logs") from None

    def events(self, timeout: float) -> Iterator[dict[str, Any]]:
        """Yield events that have arrived, waiting at most `timeout` seconds for the first."""
        end = time.monotonic() + timeout
        while not self._events and (left := end - time.monotonic()) > 0:
            if b"\n" not in self._buffer and not select.select([self._socket], [], [], left)[0]:
                break
            try:
                message = decode(self._line())
            except ConnectionError:
                raise NotRunningError("the engine went away", "ddpm-tui engine start") from None
            if "event" in message:
                self._events.append(message)
        events, self._events = self._events, []
        yield from events

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LINE_LIMIT + 1024:
                raise ProtocolError("the engine sent a line that is too long")
            received = self._socket.recv(1 << 18)
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, "the connection was closed")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _reply(self, message: Any) -> dict[str, Any]:
        message = decode(message) if isinstance(message, bytes) else message
        if message.get("ok") is False:
            raise error_from_wire(message.get("error"))
        return dict(message)


Greet = Callable[[Client], None]


def _no_answer() -> DdpmError:
    return DdpmError(
        f"the engine did not answer within {TIMEOUT_S:g} s", "its disk may hang; see `engine logs`"
    )


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect, retrying while the backlog is full; the engine itself never refuses."""
    for attempt in range(20):
        try:
            connection.connect(str(path))
        except BlockingIOError:
            time.sleep(0.01 * (attempt + 1))
        except OSError as error:
            if "too long" in str(error):
                raise FileNotFoundError(errno.ENOENT, "no engine has been started") from None
            raise
        else:
            return
    raise ConnectionRefusedError(errno.ECONNREFUSED, "the engine is too busy to connect")


def ensure_engine(home: Home, name: str = "cli", greet: "Greet | None" = None) -> Client:
    """Connect, starting the engine if none answers. If many clients do this at once, only one engine starts. Raises
    DdpmError if it cannot start.
    """
    with contextlib.suppress(NotRunningError):
        return Client(home, name, greet)
    from engine.service.spawn import start_engine

    end = time.monotonic() + START_S
    started = False
    while True:
        # If the lock is held, that engine is starting (or ending): wait for it, then try again.
        if not is_locked(home.engine_lock):
            if started:
                time.sleep(0.05)
            start_engine(home)
            started = True
        with contextlib.suppress(NotRunningError):
            return Client(home, name, greet)
        if time.monotonic() > end:
            raise DdpmError(
                f"an engine holds {home.engine_lock} but does not answer", f"see {home.engine_log}"
            )
        time.sleep(0.02)


def token() -> str:
    """Return a token for a request that adds a job, so that repeating it after a lost connection adds no second one."""
    return uuid.uuid4().hex


def insistent_request(home: Home, do: str, *, greet: "Greet | None" = None, **args: Any) -> Any:
    """Make one request on its own connection; if the engine dies during it, repeat it with a new engine. Only for
    requests that may be repeated: those with a token, and those that only read.
    """
    for attempt in (0, 1):
        with ensure_engine(home, greet=greet) as client:
            try:
                return client.request(do, **args)
            except NotRunningError:
                if attempt:
                    raise
    raise AssertionError
