"""The decoding process: `python -m engine.data.decoder FD`. It receives blocks of work on a socket and returns
pixels.

It is a fresh process, not a fork, because its parent may have loaded torch and a GPU; it must import neither. It ends
with the socket, so it does not outlive a killed parent.
"""

import os
import signal
import stat
import sys
import zlib
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Literal

import numpy as np

from engine.data.decode import MAX_BYTES, BrokenPictureError, decode
from engine.data.zips import UnreadableEntryError, read_entry


@dataclass(frozen=True)
class Task:
    """The settings that all blocks of one packing share."""

    kind: Literal["folder", "zip", "faces"]
    path: str
    recipe: str
    size: int
    seed: int = 0


@dataclass(frozen=True)
class Block:
    """A number of consecutive pictures: from folders (name,), from zips (offset, stored, size, method, crc), or faces
    (n,).
    """

    index: int
    items: tuple[tuple[object, ...], ...]


@dataclass
class DecodedBlock:
    """The pixels of a block without its broken pictures."""

    index: int
    pixels: bytes = b""
    """uint8 (good, 3, size, size)"""
    good: int = 0
    broken: list[tuple[int, str]] = field(default_factory=list)
    """(index in the block, reason)"""
    celeba_shaped: int = 0
    enlarged: int = 0
    smallest: int = 0
    """pixels per side of the smallest crop that was enlarged; 0 if none was"""
    largest: int = 0
    """the same for the largest"""
    contents: list[int] = field(default_factory=list)
    """CRC-32 of each picture's file, including broken ones; 0 for unreadable ones"""
    darkest: int = 255
    brightest: int = 0


class Decoder:
    """Does the work of one process; also used directly if starting processes would take longer."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._zip = os.open(task.path, os.O_RDONLY | os.O_CLOEXEC) if task.kind == "zip" else -1

    def work(self, block: Block) -> DecodedBlock:
        """Decode one block. Broken pictures are listed in the result; they do not raise."""
        if self.task.kind == "faces":
            return self._faces(block)
        result = DecodedBlock(block.index)
        size = self.task.size
        pixels = np.empty((len(block.items), 3, size, size), np.uint8)
        for place, item in enumerate(block.items):
            result.contents.append(int(str(item[4])) if self.task.kind == "zip" else 0)
            try:
                content = self._read(item)
                if self.task.kind == "folder":
                    result.contents[place] = zlib.crc32(content)
                decoded = decode(content, self.task.recipe, size)
            except (BrokenPictureError, UnreadableEntryError) as error:
                result.broken.append((place, str(error)))
                continue
            pixels[result.good] = decoded.pixels
            result.good += 1
            result.celeba_shaped += decoded.celeba_shaped
            if decoded.enlarged:
                result.enlarged += 1
                result.smallest = min(result.smallest or decoded.side, decoded.side)
                result.largest = max(result.largest, decoded.side)
        good = pixels[: result.good]
        if result.good:
            result.darkest, result.brightest = int(good.min()), int(good.max())
        result.pixels = good.tobytes()
        return result

    def _read(self, item: tuple[object, ...]) -> bytes:
        try:
            if self.task.kind == "zip":
                offset, stored, size, method, crc = (int(str(number)) for number in item)
                if max(stored, size) > MAX_BYTES:
                    raise BrokenPictureError(f"longer than {MAX_BYTES >> 20} MiB")
                return read_entry(self._zip, offset, stored, size, method, crc)
            return self._read_file(str(item[0]))
        except OSError as error:
            raise BrokenPictureError(f"cannot be read: {error.strerror}") from error

    def _read_file(self, name: str) -> bytes:
        """Read a file with system calls only: a file object would take a twentieth of the time of a small picture."""
        path = os.path.join(self.task.path, name)  # noqa: PTH118
        # Without O_NONBLOCK, opening a pipe would wait for its writer.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(file)
            size = status.st_size
            if not stat.S_ISREG(status.st_mode):
                raise BrokenPictureError("is no longer a file")
            if size > MAX_BYTES:
                raise BrokenPictureError(f"longer than {MAX_BYTES >> 20} MiB")
            return os.read(file, size)
        finally:
            os.close(file)

    def _faces(self, block: Block) -> DecodedBlock:
        from engine.data.faces import faces

        numbers = [int(str(item[0])) for item in block.items]
        drawn = faces(self.task.seed, numbers[0], numbers[-1] + 1, self.task.size)
        pixels = np.ascontiguousarray(drawn.transpose(0, 3, 1, 2))
        return DecodedBlock(block.index, pixels.tobytes(), len(numbers))

    def close(self) -> None:
        if self._zip >= 0:
            os.close(self._zip)
            self._zip = -1


def main(descriptor: int) -> None:
    """Serve blocks until the other end is closed."""
    for number in (signal.SIGUSR1, signal.SIGUSR2):  # of a batch system; the worker handles them
        signal.signal(number, signal.SIG_IGN)
    with Connection(descriptor) as connection:
        try:
            decoder = Decoder(connection.recv())
            while True:
                connection.send(decoder.work(connection.recv()))
        except (EOFError, ConnectionError):
            return


if __name__ == "__main__":
    # Results must be pickled as this module's, not as __main__'s, so that the other end can read them.
    from engine.data import decoder

    decoder.main(int(sys.argv[1]))
