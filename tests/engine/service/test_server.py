import asyncio
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.base.errors import UserError
from engine.service import server as server_module
from engine.service.protocol import (
    LINE_LIMIT,
    PROTOCOL,
    ProtocolError,
    VersionError,
    check_hello,
    decode,
    encode,
    error_from_wire,
    error_to_wire,
)
from engine.service.server import Peer, Server

HELLO = encode({"hello": {"protocol": PROTOCOL, "client": "test"}})


async def handle(client: Peer, do: str, args: dict[str, Any]) -> Any:
    if do == "echo":
        return args
    if do == "subscribe":
        client.topics = frozenset({"jobs"})
        return None
    if do == "large":
        return "x" * int(args["size"])
    if do == "break":
        raise KeyError("a bug")
    raise UserError(f"no {do}", "try echo")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    server = Server(tmp_path / "s", handle, "1.2", lambda: {"pid": 7})
    await server.start()
    yield server
    await server.close()


class Peer:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: Server, first: bytes = HELLO) -> "Peer":
        peer = cls(*await asyncio.open_unix_connection(str(server.path), limit=LINE_LIMIT * 2))
        peer.writer.write(first)
        return peer

    async def line(self) -> dict[str, Any]:
        line = await asyncio.wait_for(self.reader.readline(), 60)
        return json.loads(line) if line else {"closed": True}

    async def ask(self, do: str, **args: Any) -> dict[str, Any]:
        self.writer.write(encode({"id": 1, "do": do, "args": args}))
        return await self.line()


async def only_one_is_left(server: Server) -> None:
    async with asyncio.timeout(60):
        while len(server.clients) != 1:
            await asyncio.sleep(0.01)


async def test_hello_request_and_error(server: Server) -> None:
    peer = await Peer.connect(server)
    assert (await peer.line())["hello"] == {"protocol": PROTOCOL, "oldest": 1, "version": "1.2", "pid": 7}
    assert await peer.ask("echo", a=[1, None, "ä"]) == {"id": 1, "ok": True, "result": {"a": [1, None, "ä"]}}
    answer = await peer.ask("nothing")
    assert not answer["ok"]
    error = error_from_wire(answer["error"])
    assert isinstance(error, UserError)
    assert (error.what, error.hint) == ("no nothing", "try echo")


async def test_a_bug_in_a_request_costs_one_reply(server: Server) -> None:
    peer = await Peer.connect(server)
    await peer.line()
    assert "a bug" in (await peer.ask("break"))["error"]["what"]
    assert (await peer.ask("echo"))["ok"]


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "ProtocolError"),
        (b"\x00\xff\xfe\n", "ProtocolError"),
        (b"[]\n", "ProtocolError"),
        (b'{"id": 1, "do": "echo"}\n', "ProtocolError"),
        (b"[" * 100_000 + b"\n", "ProtocolError"),
        (b"x" * (LINE_LIMIT + 10) + b"\n", "ProtocolError"),
        (encode({"hello": {"protocol": 0}}), "VersionError"),
        (encode({"hello": {"protocol": 99, "oldest": 98}}), "VersionError"),
        (encode({"hello": {"protocol": "new"}}), "ProtocolError"),
    ],
    ids=["http", "binary", "no object", "no hello", "deep", "oversize", "older", "newer", "odd hello"],
)
async def test_what_is_not_the_protocol_is_refused_and_hurts_nobody(
    server: Server, first: bytes, kind: str
) -> None:
    other = await Peer.connect(server)
    await other.line()
    peer = await Peer.connect(server, first)
    answer = await peer.line()
    assert answer["error"]["kind"] == kind
    assert await peer.line() == {"closed": True}
    assert (await other.ask("echo"))["ok"]


async def test_a_newer_client_that_still_speaks_ours_is_served(server: Server) -> None:
    peer = await Peer.connect(
        server, encode({"hello": {"protocol": PROTOCOL + 5, "oldest": PROTOCOL, "new": {}}})
    )
    assert "hello" in await peer.line()


async def test_garbage_after_hello(server: Server) -> None:
    peer = await Peer.connect(server)
    await peer.line()
    peer.writer.write(b'{"id": 5, "do": 7}\n{"id": 6, "do": "echo", "args": []}\n')
    assert [(await peer.line())["error"]["kind"] for _ in range(2)] == ["ProtocolError"] * 2
    peer.writer.write(b"nonsense\n")
    assert (await peer.line())["error"]["kind"] == "ProtocolError"
    assert await peer.line() == {"closed": True}


async def test_a_long_line_passes_and_a_longer_answer_is_refused(server: Server) -> None:
    peer = await Peer.connect(server)
    await peer.line()
    assert len((await peer.ask("large", size=1 << 20))["result"]) == 1 << 20
    assert "too long" in (await peer.ask("large", size=LINE_LIMIT))["error"]["what"]


async def test_half_a_line_and_gone(server: Server) -> None:
    peer = await Peer.connect(server, HELLO[:10])
    peer.writer.close()
    other = await Peer.connect(server)
    await other.line()
    await only_one_is_left(server)


async def test_a_client_that_stops_reading_delays_nobody_and_costs_little(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "STALL_S", 2.0)
    stalled = await Peer.connect(server)
    await stalled.line()
    await stalled.ask("subscribe")
    stalled.writer.transport.pause_reading()  # type: ignore[attr-defined]
    good = await Peer.connect(server)
    await good.line()
    await good.ask("subscribe")
    for number in range(3000):
        for job in range(5):
            server.broadcast("jobs", f"job:{job}", {"event": "job", "job": job, "n": number, "x": "y" * 500})
        await asyncio.sleep(0)
    assert all(len(client.outbox) <= 5 for client in server.clients)
    latest: dict[int, int] = {}
    while latest.get(4) != 2999:
        event = await good.line()
        latest[event["job"]] = event["n"]
    assert (await good.ask("echo"))["ok"]
    await only_one_is_left(server)


async def test_nobody_else_may_touch_the_socket(server: Server) -> None:
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0 or not sys.platform.startswith("linux"), reason="becomes another user")
async def test_another_user_is_refused(server: Server, tmp_path: Path) -> None:
    """Even where modes would let them: the socket is opened to the world here, and asks who is there."""
    for path in (tmp_path, *tmp_path.parents):
        if path.owner() == "root" and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    code = (
        "import os, socket, sys\n"
        "os.setuid(65534)\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "try:\n    s.connect(sys.argv[1])\n"
        "except PermissionError:\n    print('denied'); sys.exit()\n"
        f"try:\n    s.sendall({HELLO!r})\n    print(s.recv(100))\n"
        "except ConnectionError:\n    print(b'')\n"
    )

    async def said() -> str:
        command = [sys.executable, "-c", code, str(server.path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return str(done.stdout.strip())

    assert await said() == "denied"
    server.path.chmod(0o666)
    assert await said() == "b''"


async def test_a_name_that_was_taken_away_comes_back(server: Server) -> None:
    peer = await Peer.connect(server)
    await peer.line()
    server.path.unlink()
    assert not server.is_reachable()
    await server.restart()
    assert server.is_reachable()
    assert "hello" in await (await Peer.connect(server)).line()
    assert (await peer.ask("echo"))["ok"]


async def test_a_left_over_socket_is_no_obstacle(tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "s"))
    left.close()
    server = Server(tmp_path / "s", handle, "1", dict)
    await server.start()
    assert "hello" in await (await Peer.connect(server)).line()
    await server.close()
    assert not server.path.exists()


def test_wire_forms() -> None:
    assert decode(encode({"a": float("nan"), "b": [float("inf")]})) == {"a": None, "b": [None]}
    assert decode(encode({"a": "x\ny\udcff"}).replace(b"\xff", b"?")) is not None
    assert isinstance(error_from_wire(None), ProtocolError)
    wire = error_to_wire(VersionError("a", "b"))
    assert str(error_from_wire(wire)) == "a — b"
    assert type(error_from_wire(wire)) is VersionError
    with pytest.raises(VersionError, match="engine restart"):
        check_hello({"hello": {"protocol": 0}}, "engine")


async def test_closing_waits_for_those_who_are_just_leaving(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the end of the loop cancels them, which the log of a service that was stopped calls an error."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    leaving = asyncio.Event()

    async def last_words(*_: object) -> None:
        leaving.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(server_module, "_last_words", last_words)
    peer = await Peer.connect(server)
    await peer.line()
    peer.writer.close()
    await leaving.wait()
    await asyncio.wait_for(server.close(), 20)
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if "_connected" in repr(task)]
    assert not heard
