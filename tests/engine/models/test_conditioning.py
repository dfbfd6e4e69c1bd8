"""A network that is told of labels begins as the one that is not, and ends as one that listens."""

from dataclasses import replace

import pytest
import torch

from engine.models.build import architecture, unlabelled
from engine.models.config import UNetConfig
from engine.models.unet import UNet

PLAIN = UNetConfig(size=8, width=8, multipliers=(1,), attention=("none",), attention_middle="none", groups=4)
KINDS = {
    "class": (replace(PLAIN, labels="class", label_count=3), torch.tensor([0, 2, 3])),
    "attributes": (replace(PLAIN, labels="attributes", label_count=4), torch.tensor([[1, -1, 0, 1]] * 3)),
}


def made(config: UNetConfig) -> UNet:
    torch.manual_seed(0)
    model = UNet(config)
    torch.manual_seed(1)
    with torch.no_grad():  # a fresh network's output is zero
        for name, parameter in model.named_parameters():
            if not name.startswith("labels."):
                parameter.add_(torch.randn_like(parameter) / 9)
    return model


@pytest.mark.parametrize("kind", list(KINDS))
def test_whatever_is_asked_for_the_first_output_is_that_of_a_network_without_labels(kind: str) -> None:
    config, y = KINDS[kind]
    plain, told = made(PLAIN), made(config)
    x, t = torch.randn(3, 3, 8, 8), torch.tensor([0, 5, 9])
    assert torch.equal(plain(x, t), told(x, t, y))
    assert torch.equal(plain(x, t), told(x, t))
    assert {n for n, _ in told.named_parameters()} - {n for n, _ in plain.named_parameters()} == {
        n for n, _ in told.named_parameters() if n.startswith("labels.")
    }


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_few_steps_teach_it_what_labels_mean(kind: str) -> None:
    config, y = KINDS[kind]
    model = made(config)
    x, t = torch.randn(3, 3, 8, 8), torch.tensor([0, 5, 9])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(10):
        optimizer.zero_grad()
        (model(x, t, y) - 1).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        assert not torch.equal(model(x, t, y), model(x, t))
        unknown = torch.full((3,), 3) if kind == "class" else torch.zeros(3, 4)
        assert torch.equal(model(x, t, unknown), model(x, t))


def test_the_name_of_an_architecture_without_labels_is_what_it_always_was() -> None:
    assert architecture(UNetConfig()) == "unet-resnet-32x1-2-4-a42f3adf26"
    for config, _ in KINDS.values():
        assert architecture(config) != architecture(PLAIN) == architecture(unlabelled(config))


@pytest.mark.parametrize(
    "change", [{"labels": "class"}, {"label_count": 2}, {"labels": "class", "label_count": -1}]
)
def test_labels_that_cannot_be(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not possible"):
        replace(PLAIN, **change)  # type: ignore[arg-type]
