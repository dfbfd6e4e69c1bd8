"""The protocol of the socket: JSON, one object per line, in both directions.

A client opens with {"hello": {"protocol": 1, …}}; the service answers with its own. Then requests {"id": 7, "do":
"list", "args": {…}} and replies {"id": 7, "ok": true, "result": …} or {"id": 7, "ok": false, "error": {…}}; after
`subscribe` also events {"event": "job", …}. Unknown keys are ignored, so both sides can be extended. Imports nothing
heavy, because every command loads this.
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
"""The oldest protocol that this service supports."""

LINE_LIMIT = 4 << 20
"""The most bytes of one line. A listing of a thousand jobs has about half a megabyte."""


class ProtocolError(DdpmError):
    """Data on the socket that does not follow the protocol."""


class VersionError(DdpmError):
    """A protocol version of the other side that is not supported."""


def encode(message: dict[str, Any]) -> bytes:
    """Encode a message as one line. NaN becomes null: JSON lacks it, and strict readers would reject the line."""
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(without_nan(message), ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, as in a file name that is not UTF-8, is sent as a JSON escape.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes, *, foreign: bool = False) -> dict[str, Any]:
    """Decode the object on one line; `foreign`: refuse content that cannot be stored. Raises ProtocolError."""
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
    """Check the other side's hello. `who` is "engine" or "client". Raises ProtocolError, VersionError."""
    facts = message.get("hello")
    if not isinstance(facts, dict) or type(facts.get("protocol")) is not int:
        raise ProtocolError(f"the {who} did not say hello")
    theirs, oldest = facts["protocol"], facts.get("oldest", facts["protocol"])
    if theirs < OLDEST:
        hint = "use `ddpm-tui engine restart`; its jobs continue" if who == "engine" else "update ddpm-tui"
        raise VersionError(f"the {who} speaks protocol {theirs}, and {OLDEST} or newer is needed", hint)
    if isinstance(oldest, int) and oldest > PROTOCOL:
        hint = "update this ddpm-tui" if who == "engine" else "`ddpm-tui engine restart`"
        raise VersionError(f"the {who} speaks protocol {oldest} or newer, and this is {PROTOCOL}", hint)
    return facts


def outdated(facts: dict[str, Any]) -> str:
    """Return a note for users if the engine with these `facts` in its hello is of an older version; "" if not."""
    theirs = str(facts.get("version", ""))[:40]
    if not is_older(theirs, VERSION):
        return ""
    renew = "`ddpm-tui engine restart` replaces it; its jobs continue"
    return f"the running engine is of ddpm-tui {theirs}, but this is {VERSION} — {renew}"


def error_to_wire(error: DdpmError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "what": error.what,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def error_from_wire(wire: Any) -> DdpmError:
    """Return the error on this side, of the same class if it is one of engine.base.errors or VersionError."""
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
