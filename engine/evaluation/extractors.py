"""Networks that turn pictures into features: torch-fidelity's Inception, or a user's ONNX file.

Knows nothing of runs or of the distance taken afterwards. Weights are read without unpickling anything but
tensors.
"""

import hashlib
import io
import os
import pickle
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.base.errors import UserError
from engine.base.records import open_regular, read_bytes
from engine.runs.evaluations import INCEPTION, METRICS_EXTRA

DOWNLOAD_PATIENCE_S = 20.0
OnBatch = Callable[[int, int], None]


class Extractor(Protocol):
    """Features of pictures. `name` is shown with every score, `identity` stands for the weights."""

    name: str
    identity: str

    def features(self, pictures: NDArray[np.uint8], on_batch: OnBatch = ...) -> NDArray[np.float32]:
        """Extract features: uint8 (N, 3, H, W) → float32 (N, D). `on_batch(done, total)` may raise to stop."""


class Inception:
    """The 2048 features of FID: torch-fidelity's network, resized as TensorFlow 1 did. Any picture size."""

    name = INCEPTION
    batch = 32

    def __init__(self, weights: Path | None, device: torch.device) -> None:
        """Load the network. `weights`: torch-fidelity's .pth; None fetches it, once, into torch's cache. Raises
        UserError."""
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (
                URL_INCEPTION_V3,
                FeatureExtractorInceptionV3,
            )
        except ImportError as error:
            raise UserError(f"torch-fidelity cannot be imported ({error})", METRICS_EXTRA) from None
        state = _read(weights) if weights is not None else _fetch(URL_INCEPTION_V3)
        self.identity = _identity(state)
        # The network reads its weights itself, by unpickling; it is given our own copy of the tensors here.
        copy = io.BytesIO()
        torch.save(state, copy)
        copy.seek(0)
        try:
            self._network = FeatureExtractorInceptionV3(
                INCEPTION, ["2048"], feature_extractor_weights_path=copy
            )
        except (RuntimeError, TypeError, AttributeError) as error:
            raise UserError(
                f"{weights or 'the downloaded file'} does not hold torch-fidelity's Inception weights "
                f"({_first_line(error)})",
                f"the right file is {URL_INCEPTION_V3}",
            ) from None
        self._network.to(device)
        self._device = device

    def features(
        self, pictures: NDArray[np.uint8], on_batch: OnBatch = lambda done, total: None
    ) -> NDArray[np.float32]:
        found = []
        with torch.no_grad():
            for start in range(0, len(pictures), self.batch):
                part = torch.from_numpy(np.ascontiguousarray(pictures[start : start + self.batch]))
                found.append(self._network(part.to(self._device))[0].cpu().numpy())
                on_batch(min(start + self.batch, len(pictures)), len(pictures))
        return np.concatenate(found).astype(np.float32)


def _read(path: Path) -> dict[str, Tensor]:
    """Read a file of tensors by name. Refuse anything else in it, unexecuted."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"there is no {path}", "give the file of the Inception weights") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} is not a file of Inception weights ({_first_line(error)})",
            "it is torch-fidelity's weights-inception-2015-12-05-6726825d.pth",
        ) from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} holds no weights by name", "it is torch-fidelity's weights-inception-*.pth")
    return state


def _fetch(url: str) -> dict[str, Tensor]:
    try:
        with _patience():
            state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (URLError, TimeoutError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        reason = getattr(error, "reason", None) or _first_line(error)
        raise UserError(
            f"the Inception weights cannot be downloaded ({reason})",
            f"fetch {url} elsewhere and give it as --inception-weights FILE",
        ) from None
    return state


@contextmanager
def _patience() -> Iterator[None]:
    """Limit torch.hub's wait: it waits for ever for a server that does not answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_PATIENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _identity(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class OnnxExtractor:
    """A network from an ONNX file: one input, float32 (N, 3, H, W) in [−1, 1], RGB; its first output is (N, D)."""

    batch = 64

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Open the file. Raises UserError if the file is not ONNX or does not take pictures."""
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(f"onnxruntime cannot be imported ({error})", METRICS_EXTRA) from None
        self.name = path.stem
        self._path = path
        try:
            content = read_bytes(path, ONNX_LIMIT)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})", "give an ONNX file") from None
        except ValueError as error:
            raise UserError(f"{path} cannot be read: {error}", "give an ONNX file") from None
        self.identity = _onnx_identity(path, content)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # the fault is reported once, by us
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions share no class but Exception
            raise UserError(
                f"{path} is not an ONNX network ({_first_line(error)})", "export it again"
            ) from None
        inputs = self._session.get_inputs()
        self._shape: list[Any] = list(inputs[0].shape) if inputs else []
        if len(inputs) != 1 or len(self._shape) != 4 or inputs[0].type != "tensor(float)":
            said = ", ".join(f"{i.type} {i.shape}" for i in inputs) or "nothing"
            raise UserError(f"{path} takes {said}", "an extractor takes one float32 input (N, 3, H, W)")
        self._input = inputs[0].name
        self._output = self._session.get_outputs()[0].name

    def features(
        self, pictures: NDArray[np.uint8], on_batch: OnBatch = lambda done, total: None
    ) -> NDArray[np.float32]:
        """Extract features. Raises UserError if the network wants pictures of another shape or answers with anything
        but (N, D)."""
        for wanted, given, what in zip(
            self._shape[1:], pictures.shape[1:], ("channels", "high", "wide"), strict=True
        ):
            if isinstance(wanted, int) and wanted != given:
                raise UserError(
                    f"{self._path} needs pictures {wanted} {what}, but the run's are {given}",
                    "export it with dynamic sizes, or with the scaling inside it",
                )
        batch = self._shape[0] if isinstance(self._shape[0], int) else self.batch
        found = []
        for start in range(0, len(pictures), batch):
            part = pictures[start : start + batch]
            count = len(part)
            if isinstance(self._shape[0], int) and count < batch:
                part = np.concatenate([part, np.repeat(part[-1:], batch - count, axis=0)])
            found.append(self._run(part.astype(np.float32) / 127.5 - 1)[:count])
            on_batch(start + count, len(pictures))
        return np.concatenate(found)

    def _run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            output = self._session.run([self._output], {self._input: x})[0]
        except Exception as error:
            raise UserError(
                f"{self._path} cannot score pictures of shape {x.shape} ({_first_line(error)})"
            ) from None
        shape = getattr(output, "shape", None)
        if shape is None or len(shape) != 2 or shape[0] != len(x) or shape[1] < 1:
            raise UserError(
                f"{self._path} answers {len(x)} pictures with the shape {shape}",
                "an extractor's output is (N, D)",
            )
        found: NDArray[np.float32] = np.asarray(output, np.float32)
        if not np.isfinite(found).all():
            raise UserError(
                f"{self._path} answers with numbers that are not finite", "an extractor's output is (N, D)"
            )
        return found


ONNX_LIMIT = 2 << 30
"""Bytes of the largest ONNX file: protobuf has no larger message."""

_LOCATION = re.compile(rb"\x0a\x08location\x12([\x80-\xff]{0,4}[\x00-\x7f])")
"""An entry of a tensor's external_data that names the file of its bytes, up to the length of that name."""


def _onnx_identity(path: Path, content: bytes) -> str:
    """Return the SHA-256 over the file and its weight files, as torch.onnx.export leaves them beside it.

    Raises UserError if such a file is anywhere but beside it, or is no file: its bytes would be read as weights.
    """
    digest = hashlib.sha256(content)
    for name in _beside(content):
        beside = path.parent / name
        try:
            if "\0" in name or not name or beside.resolve().parent != path.parent.resolve():
                raise UserError(
                    f"{path} takes weights from {name!r}, which is not beside it",
                    "export it again, in one folder",
                )
            with suppress(FileNotFoundError), open_regular(beside) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except (OSError, ValueError) as error:
            raise UserError(f"{path} takes weights from {name!r}, which cannot be read ({error})") from None
    return digest.hexdigest()


def _beside(content: bytes) -> list[str]:
    """Return the files that an ONNX file names as holding its weights."""
    names = set()
    for found in _LOCATION.finditer(content):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(found[1]))
        names.add(os.fsdecode(content[found.end() : found.end() + length]))
    return sorted(names)


def open_extractor(
    file: str | None, inception_weights: str | None, device: torch.device, threads: int = 0
) -> Extractor:
    """Open the user's file if one is given, else Inception. Raises UserError."""
    if file is not None:
        return OnnxExtractor(Path(file), threads)
    return Inception(Path(inception_weights) if inception_weights else None, device)


def _first_line(error: BaseException) -> str:
    lines = [line.strip().rstrip(":") for line in str(error).splitlines() if line.strip()]
    # A KeyError's words are a key: an opcode's number, if a file is no pickle.
    said = bool(lines) and not isinstance(error, KeyError)
    return (lines[0] if said else type(error).__name__)[:160]
