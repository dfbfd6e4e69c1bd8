"""The asynchronous client, for the terminal app: requests and events on one connection, in an event loop.

Knows nothing about screens. When the connection is lost, `listen` ends; its caller decides when to connect again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.base.scarcity import shortage
from engine.base.version import VERSION
from engine.client.sync import NotRunningError, ensure_engine
from engine.service.address import find_socket
from engine.service.protocol import LINE_LIMIT, check_hello, decode, encode, error_from_wire, hello

REPLY_S = 30.0


class AsyncClient:
    """The connection to one home's engine. Requests can be made while `listen` runs."""

    def __init__(self, home: Home, name: str = "tui") -> None:
        self.home = home
        self.name = name
        self._writer: asyncio.StreamWriter | None = None
        self._trouble = NotRunningError(
            "the engine is not connected", "a new attempt follows every few seconds"
        )
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0

    async def listen(self, start: bool = True) -> AsyncIterator[dict[str, Any]]:
        """Connect, starting an engine if there is none and `start` is set, and yield events.

        The first event is {"event": "hello", "status": …, "jobs": […]} with the full state; it is repeated if this
        side was too slow and events were dropped. Then follow "job", "waits", "progress", "run" and "engine" events.
        Ends, or raises DdpmError, when the engine goes away.
        """
        try:
            reader = await self._connect(start)
        except DdpmError as error:
            self._trouble = NotRunningError(error.what, error.hint)
            raise
        events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(10_000)
        reading = asyncio.get_running_loop().create_task(self._read(reader, events))
        try:
            yield await self._snapshot()
            while (event := await events.get()) is not None:
                if event.get("event") == "resync":
                    event = await self._snapshot()
                yield event
        finally:
            reading.cancel()
            await self.close()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading

    async def request(self, do: str, **args: Any) -> Any:
        """Make one request. Raises the engine's error, or NotRunningError with the reason if there is no connection."""
        if self._writer is None:
            raise self._trouble
        self._number += 1
        number = self._number
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            given = {key: value for key, value in args.items() if value is not None}
            self._writer.write(encode({"id": number, "do": do, "args": given}))
            return await asyncio.wait_for(reply, REPLY_S)
        except TimeoutError:
            raise DdpmError(f"the engine did not answer within {REPLY_S:g} s", "see `engine logs`") from None
        except ConnectionError:
            raise NotRunningError("the engine went away", "it is tried again") from None
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        writer = self._let_go()
        if writer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(writer.wait_closed(), 1.0)

    async def _connect(self, start: bool) -> asyncio.StreamReader:
        if start:
            # Starting may take a moment and is synchronous, so it runs in a thread.
            with shortage("the engine cannot be asked now"):
                first = await asyncio.to_thread(ensure_engine, self.home, self.name)
                first.close()
        try:
            reader, writer = await asyncio.open_unix_connection(
                str(find_socket(self.home)), limit=LINE_LIMIT + 1024
            )
        except OSError as error:
            if not start:
                raise NotRunningError("the engine was stopped", "`ddpm-tui engine start` starts it") from None
            raise NotRunningError(f"the engine cannot be reached ({error.strerror})") from None
        try:
            writer.write(encode(hello(VERSION, client=self.name)))
            message = decode(await reader.readline())
            if message.get("ok") is False:
                raise error_from_wire(message.get("error"))
            check_hello(message, "engine")
        except BaseException:
            writer.close()
            raise
        self._writer = writer
        return reader

    async def _snapshot(self) -> dict[str, Any]:
        return {"event": "hello", **await self.request("subscribe")}

    async def _read(
        self, reader: asyncio.StreamReader, events: "asyncio.Queue[dict[str, Any] | None]"
    ) -> None:
        """Deliver replies to their requests, and events to the queue; wait while the queue is full."""
        with contextlib.suppress(ConnectionError, DdpmError, ValueError):
            while line := await reader.readline():
                message = decode(line)
                if "event" in message:
                    await events.put(message)
                elif (reply := self._waiting.get(message.get("id", -1))) and not reply.done():
                    if message.get("ok"):
                        reply.set_result(message.get("result"))
                    else:
                        reply.set_exception(error_from_wire(message.get("error")))
        self._let_go()
        await events.put(None)

    def _let_go(self) -> asyncio.StreamWriter | None:
        """Drop the connection, and fail the requests that wait for replies. Returns the writer that is closing, if
        any.
        """
        writer, self._writer = self._writer, None
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(NotRunningError("the engine went away", "it is tried again"))
        if writer is not None:
            writer.close()
        return writer
