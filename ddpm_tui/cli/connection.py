"""Connections of commands to the engine: `engine.client.sync`, with a note to the user if the engine is of an older
version.
"""

from typing import Any

from ddpm_tui.cli.common import note
from engine.base.home import Home
from engine.client import sync
from engine.client.sync import Client


def connect(home: Home) -> Client:
    """Connect to the running engine. Raises NotRunningError."""
    return Client(home, greet=_greet)


def ensure_engine(home: Home) -> Client:
    """Connect to the engine, and start it if none is running."""
    return sync.ensure_engine(home, greet=_greet)


def insistent_request(home: Home, do: str, **args: Any) -> Any:
    return sync.insistent_request(home, do, greet=_greet, **args)


_said: set[str] = set()


def _greet(client: Client) -> None:
    if client.outdated and client.outdated not in _said:
        _said.add(client.outdated)
        note(f"note: {client.outdated}")
