"""Weights for torch-fidelity's Inception that need no download."""

from pathlib import Path

import pytest
import torch


@pytest.fixture
def random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch-fidelity's network with the weights it is born with, as a file of weights."""
    network = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    with monkeypatch.context() as patch:
        patch.setattr(network, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(network.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        born = network.FeatureExtractorInceptionV3("born", ["2048"])
    path = tmp_path / "random.pth"
    torch.save(born.state_dict(), path)
    return path
