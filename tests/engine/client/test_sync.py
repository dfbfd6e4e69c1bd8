"""What a person hears where the engine is there and does not answer."""

import socket
from pathlib import Path

import pytest

from engine.base.errors import DdpmError
from engine.base.home import Home
from engine.client import sync as client


def test_an_engine_that_takes_the_connection_and_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "h").create()
    monkeypatch.setattr(client, "TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home.socket))
        listener.listen()
        with pytest.raises(DdpmError, match=r"did not answer within 0\.1 s — its disk may hang"):
            client.Client(home)
