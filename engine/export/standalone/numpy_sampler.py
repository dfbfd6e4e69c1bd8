"""Draw pictures from an exported ONNX network with NumPy and ONNX Runtime alone.

    python sample.py -n 16 --seed 0 --out faces.png

The same seed draws the same picture as the program that trained the network, up to rounding (check.json says how much):
the noise is that of torch's CPU generator (a Mersenne Twister, and Box-Muller over blocks of 16).
"""

import argparse
import json
import math
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.diffusion.randomness import seed_for
from engine.export.standalone.coefficients import coefficients

BLOCK = 16
BATCH = 64


class Noise:
    """Normal numbers of one picture and one purpose, the ones that torch.randn draws on a CPU: float32."""

    def __init__(self, seed: int, purpose: str, index: int) -> None:
        seeded: Any = np.random.RandomState(seed_for(seed, purpose, index) & 0xFFFFFFFF)
        self._bits = np.random.MT19937()
        self._bits.state = seeded.get_state(legacy=False)

    def draw(self, shape: Sequence[int]) -> np.ndarray:
        """Return the next numbers, of at least 16 in all."""
        count = math.prod(shape)
        values, whole = self._uniform(count), count // BLOCK * BLOCK
        values[:whole] = _normal(values[:whole])
        if count % BLOCK:
            values[-BLOCK:] = _normal(self._uniform(BLOCK))
        return values.reshape(shape)

    def _uniform(self, count: int) -> np.ndarray:
        bits = self._bits.random_raw(count).astype(np.uint32) & 0xFFFFFF
        return bits.astype(np.float32) * np.float32(2**-24)


def _normal(uniform: np.ndarray) -> np.ndarray:
    """Return normal numbers by Box-Muller: in each block of 16, the first 8 give the radii and the last 8 the
    angles."""
    blocks = uniform.reshape(-1, BLOCK)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - blocks[:, : BLOCK // 2]))
    angle = np.float32(2 * math.pi) * blocks[:, BLOCK // 2 :]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def draw(
    network: Callable[[np.ndarray, np.ndarray], np.ndarray],
    facts: dict[str, Any],
    indices: Sequence[int],
    seed: int = 0,
    **changes: Any,
) -> np.ndarray:
    """Return uint8 (n, size, size, 3): the pictures of these numbers in the set of this seed.

    network: x_t (n, 3, size, size) float32 and t (n,) int64 → its prediction, of x_t's shape · facts: model.json ·
    changes: of facts["settings"]: sampler, steps, spacing, eta, variance, clip.
    """
    settings = {**facts["settings"], **{key: value for key, value in changes.items() if value is not None}}
    settings.setdefault("spacing", facts["spacings"][settings["sampler"]])
    clip = settings.pop("clip")
    shape = (3, facts["size"], facts["size"])
    fresh = [Noise(seed, "sampling.steps", index) for index in indices]
    x = np.stack([Noise(seed, "sampling.initial", index).draw(shape) for index in indices])
    before = np.zeros_like(x)
    for step in coefficients(facts["log_alpha_bars"], facts["prediction"], **settings):
        output = network(x, np.full(len(x), step.t, np.int64))
        x_0 = np.float32(step.from_x) * x + np.float32(step.from_output) * output
        if clip:
            x_0 = x_0.clip(-1, 1)
        x = np.float32(step.keep) * x + np.float32(step.picture) * x_0 + np.float32(step.before) * before
        if step.noise:
            x = x + np.float32(step.noise) * np.stack([noise.draw(shape) for noise in fresh])
        before = x_0
    scaled = np.rint((np.nan_to_num(x, nan=-1.0).clip(-1, 1) + 1) * 127.5)
    return np.ascontiguousarray(scaled.astype(np.uint8).transpose(0, 2, 3, 1))


def open_network(folder: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Open model.onnx on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def network(x: np.ndarray, t: np.ndarray) -> np.ndarray:
        output: np.ndarray = session.run(None, {"x": x, "t": t})[0]
        return output

    return network


def read_facts(folder: Path) -> dict[str, Any]:
    """Read model.json: the size, the noise schedule, and how pictures are drawn unless said otherwise."""
    facts: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    return facts


def save_png(path: Path, picture: np.ndarray) -> None:
    """Write uint8 (H, W, 3) as a PNG."""
    height, width = picture.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def sheet(pictures: np.ndarray) -> np.ndarray:
    """Join uint8 (n, H, W, 3) → one picture with all of them, near square."""
    count, size = pictures.shape[:2]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    whole = np.zeros((rows * columns, size, size, 3), np.uint8)
    whole[:count] = pictures
    return whole.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)


def main() -> None:
    """Draw as the command line says."""
    parser = argparse.ArgumentParser(description="Draw pictures from model.onnx beside this script.")
    parser.add_argument("-n", type=int, default=16, help="pictures (16)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same pictures (0)")
    parser.add_argument("--sampler", choices=["ddpm", "ddim", "dpmpp"])
    parser.add_argument("--steps", type=int, help="network calls a picture")
    parser.add_argument("--spacing", choices=["trailing", "linspace", "leading", "logsnr"])
    parser.add_argument("--eta", type=float, help="of ddim: 0 to 1")
    parser.add_argument("--out", type=Path, default=Path("faces.png"), help="FILE.png, or FILE.npy (uint8)")
    given = parser.parse_args()
    folder = Path(__file__).parent
    network, facts = open_network(folder), read_facts(folder)
    changes = {name: getattr(given, name) for name in ("sampler", "steps", "spacing", "eta")}
    pictures = np.concatenate(
        [
            draw(network, facts, range(start, min(start + BATCH, given.n)), given.seed, **changes)
            for start in range(0, given.n, BATCH)
        ]
    )
    if given.out.suffix == ".npy":
        np.save(given.out, pictures)
    else:
        save_png(given.out, sheet(pictures))
    print(f"{given.n} pictures: {given.out}")


if __name__ == "__main__":
    main()
