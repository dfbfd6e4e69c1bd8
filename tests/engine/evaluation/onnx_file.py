"""A small ONNX network written byte by byte, so that tests need no package that makes one."""

import struct
from pathlib import Path
from typing import Any


def write(
    path: Path,
    shape: tuple[Any, ...] = ("N", 3, "H", "W"),
    operator: str = "GlobalAveragePool",
    factor: float | None = None,
    location: str | None = None,
) -> Path:
    """input → `operator` → Flatten → output; `operator` "none" leaves the input as it is, unflattened.

    With `factor` the input is first multiplied by it, and it is kept in a file beside `path`, NAME.data; the network
    says that it is in `location` where that is given."""
    nodes = (
        [_node(operator, "input", "pooled"), _node("Flatten", "pooled", "output")]
        if operator != "none"
        else [_node("Identity", "input", "output")]
    )
    weights = b""
    if factor is not None:
        nodes = [
            _bytes(1, b"input") + _bytes(1, b"factor") + _bytes(2, b"scaled") + _bytes(4, b"Mul"),
            _node(operator, "scaled", "pooled"),
            _node("Flatten", "pooled", "output"),
        ]
        beside = path.with_name(f"{path.name}.data")
        beside.write_bytes(struct.pack("<f", factor))
        where = _bytes(1, b"location") + _bytes(2, (location or beside.name).encode())
        tensor = _number(1, 1) + _number(2, 1) + _bytes(8, b"factor") + _bytes(13, where) + _number(14, 1)
        weights = _bytes(5, tensor)
    graph = (
        b"".join(_bytes(1, node) for node in nodes)
        + _bytes(2, b"g")
        + weights
        + _bytes(11, _value("input", shape))
        + _bytes(12, _value("output", ("N", "D") if operator != "none" else ("N", "C", "H", "W")))
    )
    opset = _bytes(1, b"") + _number(2, 13)
    path.write_bytes(_number(1, 8) + _bytes(7, graph) + _bytes(8, opset))
    return path


def _varint(value: int) -> bytes:
    found = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _node(operator: str, source: str, target: str) -> bytes:
    return _bytes(1, source.encode()) + _bytes(2, target.encode()) + _bytes(4, operator.encode())


def _value(name: str, shape: tuple[Any, ...]) -> bytes:
    dims = b"".join(
        _bytes(1, _number(1, side) if isinstance(side, int) else _bytes(2, side.encode())) for side in shape
    )
    tensor = _number(1, 1) + _bytes(2, dims)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))
