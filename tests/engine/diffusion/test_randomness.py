"""Seeds: the same for ever, different for everything else, and distinct in the bits that torch keeps."""

import pytest
import torch

from engine.diffusion.randomness import generator_for, seed_for


def test_seeds_never_change() -> None:
    # Written down on purpose: another value would break the exact resume of every run on disk.
    assert seed_for(0, "noise", 0) == 18121616626093337866
    assert seed_for(1234, "picture", 70_000) == 16303776804653948224
    assert seed_for(-1, "", 2**40) == 16110528383846630539


def test_each_part_matters() -> None:
    seeds = {
        seed_for(seed, purpose, counter)
        for seed in (0, 1, 2**32, 2**70)
        for purpose in ("noise", "flips", "t")
        for counter in (0, 1, 2**32, 2**32 + 1, 2**50)
    }
    assert len(seeds) == 4 * 3 * 5
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_no_two_counters_share_the_bits_that_the_cpu_generator_keeps() -> None:
    # Among 200,000 random 32-bit numbers, some five pairs are equal.
    kept = {seed_for(1, "picture", counter) & 0xFFFFFFFF for counter in range(200_000)}
    assert len(kept) == 200_000


def test_low_bits_of_neighbouring_seeds_are_unrelated() -> None:
    ours = [seed_for(5, "noise", counter) & 0xFFFFFFFF for counter in range(2000)]
    others = {seed_for(6, "noise", counter) & 0xFFFFFFFF for counter in range(2000)}
    assert len(others.intersection(ours)) <= 1
    assert sum(seed & 1 for seed in ours) == pytest.approx(1000, abs=120)
    assert sum(seed >> 31 for seed in ours) == pytest.approx(1000, abs=120)


def test_generators_repeat() -> None:
    first = torch.randn(64, generator=generator_for(3, "noise", 9, "cpu"))
    again = torch.randn(64, generator=generator_for(3, "noise", 9))
    other = torch.randn(64, generator=generator_for(3, "noise", 10))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_negative_counter_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        seed_for(0, "noise", -1)
