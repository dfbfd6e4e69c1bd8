"""The socket: access control, reading and writing lines. Knows the protocol, but not the meaning of requests."""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.base.errors import DdpmError
from engine.base.scarcity import is_scarce, scarce
from engine.service.outbox import Outbox
from engine.service.protocol import (
    LINE_LIMIT,
    ProtocolError,
    check_hello,
    decode,
    encode,
    error_to_wire,
    hello,
)

log = logging.getLogger(__name__)

STALL_S = 60.0
"""Seconds after which a client that reads nothing, while data waits for it, is disconnected."""

HELLO_S = 30.0
"""Seconds after which a client that sends nothing after connecting is disconnected."""


class Peer:
    """One connection. `topics`: its subscriptions."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.outbox = Outbox()
        self.topics: frozenset[str] = frozenset()
        self.name = "?"


Handler = Callable[[Peer, str, dict[str, Any]], Awaitable[Any]]


class Server:
    """Listens on `path` (mode 0600). `handle(client, do, args)` returns a reply's result or raises DdpmError."""

    def __init__(
        self, path: Path, handle: Handler, version: str, facts: Callable[[], dict[str, Any]]
    ) -> None:
        self.path = path
        self.clients: set[Peer] = set()
        self.subscribed: Callable[[], None] = lambda: None
        self.was_short: Callable[[Exception], None] = lambda error: None
        self._handle = handle
        self._version = version
        self._facts = facts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bind and listen. The caller holds the engine's lock, so an existing socket at `path` is stale."""
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(str(self.path))
        finally:
            os.umask(before)
        listener.listen(128)
        listener.setblocking(False)
        self._server = await asyncio.start_unix_server(self._connected, sock=listener, limit=LINE_LIMIT)

    def is_reachable(self) -> bool:
        """Return whether the socket's name still exists: cleaners of temporary folders may delete it."""
        return self.path.is_socket()

    async def restart(self) -> None:
        """Bind again; connected clients stay connected."""
        if self._server is not None:
            self._server.close()
        await self.start()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    def broadcast(self, topic: str, key: str, message: dict[str, Any]) -> None:
        """Send an event to all subscribers of `topic`. Never waits."""
        wanted = [client for client in self.clients if topic in client.topics]
        if wanted:
            line = encode(message)
            for client in wanted:
                client.outbox.post(key, line)

    def has_subscribers(self, topic: str) -> bool:
        return any(topic in client.topics for client in self.clients)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _same_user(writer.get_extra_info("socket")):
            log.warning("refused a connection from another user")
            writer.close()
            return
        client = Peer(reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.clients.add(client)
        sender = asyncio.get_running_loop().create_task(_send(client))
        try:
            await self._converse(client)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.CancelledError:
            pass
        except Exception:
            log.exception("a client's connection failed")
        finally:
            self.clients.discard(client)
            self.subscribed()
            with contextlib.suppress(asyncio.CancelledError):
                await _last_words(client, sender)
            self._tasks.discard(task)

    async def _converse(self, client: Peer) -> None:
        greeted = False
        while True:
            try:
                line = await asyncio.wait_for(client.reader.readline(), None if greeted else HELLO_S)
            except ValueError:
                _refuse(client, ProtocolError(f"a line is longer than {LINE_LIMIT >> 20} MiB"))
                return
            if not line:
                return
            try:
                message = decode(line, foreign=True)
                if not greeted:
                    facts = check_hello(message, "client")
                    client.name = str(facts.get("client", "?"))
                    greeted = True
                    client.outbox.reply(encode(hello(self._version, **self._facts())))
                    continue
            except DdpmError as error:
                _refuse(client, error)
                return
            client.outbox.reply(await self._answer(client, message))
            await client.outbox.room()

    async def _answer(self, client: Peer, message: dict[str, Any]) -> bytes:
        number, do, args = message.get("id"), message.get("do"), message.get("args", {})
        try:
            if not isinstance(do, str) or not isinstance(args, dict):
                raise ProtocolError('a request is {"id": …, "do": "…", "args": {…}}')
            result = await self._handle(client, do, args)
        except Exception as error:
            if is_scarce(error):
                self.was_short(error)
            return _failed(number, do, error)
        try:
            line = encode({"id": number, "ok": True, "result": result})
        except Exception as error:
            return _failed(number, do, error)
        if len(line) > LINE_LIMIT:
            failure = DdpmError("the answer is too long for one line", "ask for less")
            return encode({"id": number, "ok": False, "error": error_to_wire(failure)})
        return line


def _failed(number: Any, do: Any, error: Exception) -> bytes:
    """Return the reply to a request that failed: because it was refused, of a shortage, or of a bug."""
    if is_scarce(error):
        failure: DdpmError = scarce(error)
    elif isinstance(error, DdpmError):
        failure = error
    else:
        log.error("request %r failed", do, exc_info=error)
        failure = DdpmError(
            f"the engine failed during {str(do)[:100]!r}: {error}", "see `ddpm-tui engine logs`"
        )
    return encode({"id": number, "ok": False, "error": error_to_wire(failure)})


def _refuse(client: Peer, error: DdpmError) -> None:
    client.outbox.reply(encode({"id": None, "ok": False, "error": error_to_wire(error)}))


async def _send(client: Peer) -> None:
    """Send the outbox to the socket. Ends with the connection, or if the client reads nothing for too long."""
    transport = client.writer.transport
    transport.set_write_buffer_limits(high=65536)
    try:
        while True:
            client.writer.write(await client.outbox.next())
            await asyncio.wait_for(client.writer.drain(), STALL_S)
    except (ConnectionError, TimeoutError):
        log.info("client %s is disconnected: it is gone or does not read", client.name)
    except Exception:
        log.exception("client %s is disconnected: nothing can be sent to it", client.name)
    transport.abort()


async def _last_words(client: Peer, sender: "asyncio.Task[None]") -> None:
    """Wait a short time for a refused client to read the reason."""
    for _ in range(20):
        if sender.done() or not len(client.outbox):
            break
        await asyncio.sleep(0.01)
    # In a loop, because `wait_for` may swallow a cancellation that arrives as its inner wait ends.
    while not sender.done():
        sender.cancel()
        await asyncio.wait([sender], timeout=0.1)
    with contextlib.suppress(Exception):
        client.writer.close()


def _same_user(connection: Any) -> bool:
    """Return whether the peer is this user (or root). If the system cannot tell, the socket's mode must suffice."""
    if not sys.platform.startswith("linux"):
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return user in (os.getuid(), 0)
