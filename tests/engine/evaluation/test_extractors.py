"""Feature extractors: a user's ONNX file, and torch-fidelity's Inception with weights of our own making."""

import pickle
import urllib.error
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.base.errors import UserError
from engine.evaluation import extractors
from engine.evaluation.extractors import Inception, OnnxExtractor
from tests.engine.evaluation import onnx_file

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 8), dtype=np.uint8)
MEANS = (PICTURES / 127.5 - 1).mean((2, 3))

onnx = pytest.mark.skipif(find_spec("onnxruntime") is None, reason="onnxruntime is not installed")


@onnx
@pytest.mark.parametrize("shape", [("N", 3, "H", "W"), ("N", 3, 8, 8), (2, 3, 8, 8), (64, 3, 8, 8)])
def test_an_onnx_file_sees_pictures_in_minus_one_to_one_whatever_its_batch(
    tmp_path: Path, shape: tuple[Any, ...]
) -> None:
    seen: list[tuple[int, int]] = []
    extractor = OnnxExtractor(onnx_file.write(tmp_path / "mean.onnx", shape))
    found = extractor.features(PICTURES, lambda done, total: seen.append((done, total)))
    assert extractor.name == "mean"
    assert found.dtype == np.float32
    assert found == pytest.approx(MEANS, abs=1e-6)
    assert seen[-1] == (5, 5)


@onnx
def test_identity_is_of_weights_in_a_file_beside_it_too(tmp_path: Path) -> None:
    """Features of the reference are kept under it: other weights under the same graph are another network."""
    path = onnx_file.write(tmp_path / "net.onnx", factor=2.0)
    content, twice = path.read_bytes(), OnnxExtractor(path)
    doubled = twice.features(PICTURES)
    assert OnnxExtractor(path).identity == twice.identity
    onnx_file.write(path, factor=3.0)
    thrice = OnnxExtractor(path)
    assert path.read_bytes() == content
    assert np.allclose(thrice.features(PICTURES), 1.5 * doubled, atol=1e-6)
    assert thrice.identity != twice.identity


def test_identity_is_of_the_content(tmp_path: Path) -> None:
    one = OnnxExtractor(onnx_file.write(tmp_path / "one.onnx")).identity
    same = OnnxExtractor(onnx_file.write(tmp_path / "same.onnx")).identity
    other = OnnxExtractor(onnx_file.write(tmp_path / "other.onnx", operator="GlobalMaxPool")).identity
    assert one == same != other


@onnx
@pytest.mark.parametrize(
    ("shape", "operator", "said"),
    [
        (("N", 3, 112, 112), "GlobalAveragePool", "112 high"),
        (("N", 1, "H", "W"), "GlobalAveragePool", "1 channels"),
        (("N", 3), "Identity", "takes tensor(float) ['N', 3]"),
        (("N", 3, "H", "W"), "none", "with the shape (5, 3, 8, 8)"),
    ],
)
def test_a_network_of_the_wrong_shape_is_refused_in_one_line(
    tmp_path: Path, shape: tuple[Any, ...], operator: str, said: str
) -> None:
    path = onnx_file.write(tmp_path / "odd.onnx", shape, operator)
    with pytest.raises(UserError) as caught:
        OnnxExtractor(path).features(PICTURES)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@onnx
def test_what_is_no_onnx_is_said(tmp_path: Path) -> None:
    path = tmp_path / "picture.onnx"
    path.write_bytes(b"\x89PNG, or anything")
    with pytest.raises(UserError, match="not an ONNX network"):
        OnnxExtractor(path)


def test_weights_are_never_unpickled_into_more_than_tensors(tmp_path: Path) -> None:
    marker = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (marker,))

    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": Trap()}, path)
    with pytest.raises(UserError, match="not a file of Inception weights"):
        extractors._read(path)
    path.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(UserError, match="not a file of Inception weights"):
        extractors._read(path)
    assert not marker.exists()
    path.write_text("hello")
    with pytest.raises(UserError, match=r"not a file of Inception weights \(\D+\)"):
        extractors._read(path)


def test_weights_of_something_else_are_said(tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")
    path = tmp_path / "weights.pth"
    torch.save({"fc.weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="does not hold torch-fidelity's Inception weights") as caught:
        Inception(path, torch.device("cpu"))
    assert "\n" not in str(caught.value)


def test_no_network_says_how_to_hand_the_weights_over(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch_fidelity")

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(UserError) as caught:
        Inception(None, torch.device("cpu"))
    assert "Name or service not known" in str(caught.value)
    assert "--inception-weights FILE" in str(caught.value)


@pytest.mark.slow
def test_inception_is_torch_fidelitys_own_on_the_same_bytes(random_weights: Path) -> None:
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    found = Inception(random_weights, torch.device("cpu")).features(PICTURES)
    theirs = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=str(random_weights))
    with torch.no_grad():
        expected = theirs(torch.from_numpy(PICTURES))[0].numpy()
    assert found.shape == (5, 2048)
    assert found.std() > 0
    assert found == pytest.approx(expected, abs=1e-5)
