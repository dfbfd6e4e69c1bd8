"""Whether a device is here: the system's word, and torch's where that says no."""

from typing import Any

import pytest

from engine.base.errors import UserError
from engine.service import machine


def here(monkeypatch: pytest.MonkeyPatch, slots: tuple[str, ...], facts: dict[str, Any] | None) -> None:
    """`facts` None: torch must not be asked."""

    def asked() -> dict[str, Any]:
        assert facts is not None
        return facts

    monkeypatch.setattr(machine, "device_slots", lambda: slots)
    monkeypatch.setattr(machine, "torch_facts", asked)


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:1"])
def test_what_the_system_shows_is_believed(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    here(monkeypatch, ("cuda:0", "cuda:1", "cpu"), None)
    machine.require_device(device)


def test_torch_may_see_more_than_the_system_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, ("cpu",), {"devices": [{"device": "cuda:0"}]})
    machine.require_device("cuda")
    with pytest.raises(UserError, match="there is no cuda:1: torch finds cuda:0 — see `ddpm-tui doctor`"):
        machine.require_device("cuda:1")


def test_a_machine_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, ("cpu",), {"devices": []})
    with pytest.raises(UserError, match="there is no cuda:0: torch finds no CUDA device"):
        machine.require_device("cuda")


def test_where_torch_cannot_be_asked_the_worker_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, ("cpu",), {"error": "no module named torch"})
    machine.require_device("cuda:0")


def test_the_real_torch_is_asked() -> None:
    facts = machine.torch_facts()
    assert facts["torch"]
    with pytest.raises(UserError, match="there is no cuda:99"):
        machine.require_device("cuda:99")
