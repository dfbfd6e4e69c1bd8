"""Peers are held against our network at their own number of operations."""

from typing import Any

import pytest

from engine.bench.peers import best_peer, equal_width
from engine.bench.subject import training_flop
from engine.config.store import build_profile, override_profile
from engine.models.build import unet_config
from engine.models.unet import UNet
from tests.tiny import TINY

PROFILE = build_profile(TINY, "tiny")


def _flop(width: int) -> float:
    wide = override_profile(PROFILE, [f"model.width={width}", f"model.head_dim={width}"])
    return training_flop(UNet(unet_config(wide)), PROFILE.data.size)


@pytest.mark.parametrize("width", [4, 8, 24, 40])
def test_the_width_that_works_as_much_for_a_picture(width: int) -> None:
    assert equal_width(PROFILE, _flop(width)) == width
    assert equal_width(PROFILE, 0.4 * _flop(width) + 0.6 * _flop(width + 4)) == width + 4


def test_the_best_peer_is_the_one_that_we_gain_least_on_among_those_of_our_size() -> None:
    def row(network: str, parameters: float, gain: float) -> dict[str, Any]:
        return {
            "network": network, "precision": "bf16", "layout": "contiguous", "held_against": "w", "ours": False,
            "parameters": parameters, "ours_over_it": 9.0, "ours_over_it_cpu": gain, "seconds": 1.0,
            "cpu_seconds": 1.0,
        }  # fmt: skip

    rows = [row("large", 9e6, 0.9), row("slow", 3e6, 1.8), row("good", 4e6, 1.4)]
    top = best_peer(rows, "bf16")
    assert top is not None
    assert (top["network"], top["ours_over_it_cpu"], top["held_against"]) == ("good", 1.4, "w")
    assert best_peer(rows, "fp16") is None
