"""What goes over the socket: JSON, one object a line, in both directions.

A client opens with {"hello": {"protocol": 1, …}}; the service answers with its own. Then requests
{"id": 7, "do": "list", "args": {…}} and replies {"id": 7, "ok": true, "result": …} or
{"id": 7, "ok": false, "error": {…}}; after `subscribe` also events {"event": "job", …}. Unknown keys are passed
over, so both sides may grow. Nothing heavy is imported: the command line loads this at every call.
"""

import json
from typing import Any

from engine.base import errors
from engine.base.errors import DdpmError
from engine.base.files import without_nan
from engine.base.records import loads_json
from engine.base.version import VERSION, is_older

PROTOCOL = 1
OLDEST = 1
"""The oldest protocol that this service still speaks."""

LINE_LIMIT = 4 << 20
"""Bytes of one line. A listing of a thousand jobs is about half a megabyte."""


class ProtocolError(DdpmError):
    """What came over the socket is not the protocol."""


class VersionError(DdpmError):
    """The other side speaks a protocol that this one does not."""


def encode(message: dict[str, Any]) -> bytes:
    """One line. NaN becomes null: JSON has none, and strict readers would drop the line."""
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(without_nan(message), ensure_ascii=False, separators=(",", ":"))
    # Half a character, as in the name of a file that is no UTF-8, is sent as JSON's escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes, *, foreign: bool = False) -> dict[str, Any]:
    """The object on one line; `foreign`: it must hold nothing that cannot be stored. Raises ProtocolError."""
    try:
        message = loads_json(line, foreign=foreign)
    except ValueError as error:
        raise ProtocolError(f"this is not a line of JSON ({str(error)[:80]})") from None
    if not isinstance(message, dict):
        raise ProtocolError("this is not a JSON object")
    return message


def hello(version: str, **facts: Any) -> dict[str, Any]:
    return {"hello": {"protocol": PROTOCOL, "oldest": OLDEST, "version": version, **facts}}


def check_hello(message: dict[str, Any], who: str) -> dict[str, Any]:
    """The other side's hello. `who` is "engine" or "client". Raises ProtocolError, VersionError."""
    facts = message.get("hello")
    if not isinstance(facts, dict) or type(facts.get("protocol")) is not int:
        raise ProtocolError(f"the {who} did not say hello")
    theirs, oldest = facts["protocol"], facts.get("oldest", facts["protocol"])
    if theirs < OLDEST:
        hint = "`ddpm-tui engine restart`; its jobs go on" if who == "engine" else "update ddpm-tui"
        raise VersionError(f"the {who} speaks protocol {theirs}, and {OLDEST} or newer is needed", hint)
    if isinstance(oldest, int) and oldest > PROTOCOL:
        hint = "update ddpm-tui here" if who == "engine" else "`ddpm-tui engine restart`"
        raise VersionError(f"the {who} speaks protocol {oldest} or newer, and this is {PROTOCOL}", hint)
    return facts


def outdated(facts: dict[str, Any]) -> str:
    """What to tell people if the engine whose hello said `facts` is an older program's; "" if it is not."""
    theirs = str(facts.get("version", ""))[:40]
    if not is_older(theirs, VERSION):
        return ""
    renew = "`ddpm-tui engine restart` renews it; its jobs go on"
    return f"the engine that runs is of ddpm-tui {theirs}, and this is {VERSION} — {renew}"


def error_to_wire(error: DdpmError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def error_from_wire(wire: Any) -> DdpmError:
    """The same error on this side, of the same class if that is one of engine.base.errors or VersionError."""
    if not isinstance(wire, dict):
        return ProtocolError("the engine reported an error that cannot be read")
    name = str(wire.get("kind"))
    kind = VersionError if name == VersionError.__name__ else getattr(errors, name, DdpmError)
    if not (isinstance(kind, type) and issubclass(kind, DdpmError)):
        kind = DdpmError
    hint, exit_code = wire.get("hint"), wire.get("exit_code")
    error = kind(str(wire.get("what")), hint if isinstance(hint, str) else None)
    error.exit_code = exit_code if type(exit_code) is int else 1
    return error
