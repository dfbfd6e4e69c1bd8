"""Counter-based randomness: every draw is a function of (seed, purpose, counter), so no state is saved.

`seed_for` needs no torch; `generator_for` imports it when called.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LOW = 0xFFFFFFFF
_ROUNDS = 4


def seed_for(seed: int, purpose: str, counter: int) -> int:
    """Return a 64-bit seed in 0 … 2⁶⁴−1, the same on every machine and in every version of Python.

    `seed` is any integer, `purpose` any name ("noise", "flips" …), `counter` a non-negative integer (images
    seen, an epoch, the index of a picture).

    torch's CPU generator keeps only the low 32 bits of its seed. A plain hash would therefore give two of
    50,000 pictures the same noise about one time in four. So the low half is a keyed permutation of the
    counter's low half (a four-round Feistel network: Luby & Rackoff 1988): within one (seed, purpose), no two
    counters below 2³² share it.

    Raises ValueError for a negative counter.
    """
    if counter < 0:
        raise ValueError(f"a counter starts at 0, not at {counter}")
    name = purpose.encode()
    key = _hash(b"key", str(seed).encode(), name, str(counter >> 32).encode())
    left, right = (counter & _LOW) >> 16, counter & 0xFFFF
    for number in range(_ROUNDS):
        mixed = _hash(key, bytes((number,)), right.to_bytes(2, "little"))
        left, right = right, left ^ int.from_bytes(mixed[:2], "little")
    high = int.from_bytes(_hash(key, b"high", counter.to_bytes(16, "little"))[:4], "little")
    return high << 32 | left << 16 | right


def generator_for(
    seed: int, purpose: str, counter: int, device: "torch.device | str" = "cpu"
) -> "torch.Generator":
    """Return a fresh torch generator on `device`, seeded by `seed_for(seed, purpose, counter)`.

    The numbers are the same each time on one kind of device; CPU and CUDA draw different ones.
    """
    import torch

    return torch.Generator(device=device).manual_seed(seed_for(seed, purpose, counter))


def _hash(*parts: bytes) -> bytes:
    """Return eight bytes of BLAKE2b; each part has its length before it, so that no two lists give the same bytes."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        state.update(len(part).to_bytes(4, "little"))
        state.update(part)
    return state.digest()
