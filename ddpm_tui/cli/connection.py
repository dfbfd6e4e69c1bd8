"""The engine as commands reach it: as `engine.client.sync` does, and a line for people if it is an older one's."""

from typing import Any

from ddpm_tui.cli.common import note
from engine.base.home import Home
from engine.client import sync
from engine.client.sync import Client


def connect(home: Home) -> Client:
    """A connection to the engine that runs. Raises NotRunningError."""
    return Client(home, greet=_greet)


def ensure_engine(home: Home) -> Client:
    """A connection; starts the engine if none runs."""
    return sync.ensure_engine(home, greet=_greet)


def insistent_request(home: Home, do: str, **args: Any) -> Any:
    return sync.insistent_request(home, do, greet=_greet, **args)


_said: set[str] = set()


def _greet(client: Client) -> None:
    if client.outdated and client.outdated not in _said:
        _said.add(client.outdated)
        note(f"note: {client.outdated}")
