"""A small network that says which labels a picture has: trained on packed pictures and their labels alone, never on
samples, and kept beside them. It judges whether samples have the requested labels; it is no measure of how real
pictures are.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional

from engine.base.errors import DiskFullError, UserError
from engine.base.files import write_bytes
from engine.data.labels import Kind, Labels
from engine.data.packed import Packed
from engine.diffusion.randomness import seed_for

VERSION = 1
"""To be raised when another network or training would give other answers."""
SEED = 0
WIDTHS = (32, 64, 96)
BATCH = 64
PICTURES = 60_000
"""Seen in training, whatever the size of the set, unless it is so small that EPOCHS are fewer."""
EPOCHS = 60
LR = 2e-3
SHIFT = 2
"""Pixels by which pictures are moved at most while it trains."""

Report = Callable[[int, int], None]


class _Network(nn.Module):
    """(N, 3, H, W) in [−1, 1] → (N, K) log-odds of attributes, or of classes before a softmax."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for level, width in enumerate(WIDTHS):
            layers += [
                nn.Conv2d(before, width, 3, stride=1 if level == 0 else 2, padding=1),
                nn.GroupNorm(8, width),
                nn.SiLU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.GroupNorm(8, width),
                nn.SiLU(),
            ]
            before = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(before, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.avg_pool2d(self.features(x), 2) if x.shape[-1] >= 32 else self.features(x)
        out: Tensor = self.head(h.mean((2, 3)))
        return out


@dataclass(frozen=True)
class Classifier:
    """A trained one. kind, names: of its labels."""

    network: nn.Module
    kind: Kind
    names: tuple[str, ...]
    device: torch.device

    @torch.no_grad()
    def tells(self, pictures: NDArray[np.uint8], batch: int = 256) -> NDArray[np.bool_]:
        """Return bool (N, K): the labels it sees in uint8 (N, 3, H, W); of classes exactly one."""
        found = []
        for start in range(0, len(pictures), batch):
            x = _scaled(torch.from_numpy(pictures[start : start + batch].copy()), self.device)
            out = self.network(x)
            if self.kind == "class":
                found.append(functional.one_hot(out.argmax(1), len(self.names)).bool().cpu())
            else:
                found.append((out > 0).cpu())
        return torch.cat(found).numpy() if found else np.zeros((0, len(self.names)), bool)


def signs(labels: Labels) -> NDArray[np.int8]:
    """Return int8 (N, K) of −1, 0, +1, also of classes."""
    if labels.kind == "attributes":
        return labels.values.astype(np.int8)
    found = -np.ones((len(labels), len(labels.names)), np.int8)
    known = labels.values >= 0
    found[~known] = 0
    found[np.flatnonzero(known), labels.values[known]] = 1
    return found


def classifier_of(
    packed: Packed,
    labels: Labels,
    device: torch.device,
    report: Report = lambda done, total: None,
    pictures: int = PICTURES,
) -> Classifier:
    """Return the classifier of these pictures and labels: the stored one if there is one, else one trained on the
    training pictures.

    Raises UserError if, for one of the labels, no training picture is known to have it, or none to lack it.
    """
    rows = packed.train
    known = signs(labels)[rows]
    for place, name in enumerate(labels.names):
        if not (known[:, place] > 0).any() or not (known[:, place] < 0).any():
            part = "no" if not (known[:, place] > 0).any() else "every known"
            raise UserError(
                f"{part} training picture has {name}, so nothing can be told of it",
                "leave it out, or add pictures",
            )
    epochs = min(EPOCHS, max(1, round(pictures / len(rows))))
    terms = {
        "version": str(VERSION), "pictures": packed.manifest.identity, "labels": labels.digest(),
        "train": hashlib.sha256(rows.tobytes()).hexdigest(), "epochs": str(epochs),
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:12]
    path = packed.folder.statistics / f"classifier-{name}.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = _Network(len(labels.names)).to(device)
    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError, KeyError):
        _train(network, packed, rows, known, labels.kind, epochs, device, report)
        try:
            path.parent.mkdir(exist_ok=True)
            state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
            write_bytes(path, save(state, metadata=terms))
        except (OSError, DiskFullError):
            pass  # then it is trained each time
    return Classifier(network.eval(), labels.kind, labels.names, device)


def _train(
    network: nn.Module,
    packed: Packed,
    rows: NDArray[np.int64],
    known: NDArray[np.int8],
    kind: Kind,
    epochs: int,
    device: torch.device,
    report: Report,
) -> None:
    """Weigh both answers of a label alike, however rare one of them is: balanced accuracy is the aim."""
    present, absent = (np.maximum(1, (known == sign).sum(0)) for sign in (1, -1))
    weight = torch.tensor(np.minimum(absent / present, 50.0), dtype=torch.float32, device=device)
    y_all = torch.from_numpy(known)
    batch = min(BATCH, len(rows))
    per_epoch = len(rows) // batch
    total = epochs * per_epoch
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=1e-2)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=total)
    network.train()
    done = 0
    for epoch in range(epochs):
        draw = np.random.Generator(np.random.Philox(seed_for(SEED, "classifier", epoch)))
        order = draw.permutation(len(rows))
        for at in range(per_epoch):
            chosen = order[at * batch : (at + 1) * batch]
            x = _scaled(torch.from_numpy(packed.pictures[rows[chosen]]), device)
            if draw.random() < 0.5:
                x = x.flip(3)
            dy, dx = draw.integers(-SHIFT, SHIFT + 1, 2)
            x = torch.roll(x, (int(dy), int(dx)), (2, 3))
            y = y_all[torch.from_numpy(chosen)].to(device)
            out = network(x)
            if kind == "class":
                there = (y > 0).any(1)
                if not bool(there.any()):
                    continue
                loss = functional.cross_entropy(out[there], y[there].argmax(1), weight / weight.mean())
            else:
                each = functional.binary_cross_entropy_with_logits(
                    out, (y > 0).float(), pos_weight=weight, reduction="none"
                )
                loss = (each * (y != 0)).sum() / (y != 0).sum().clamp(min=1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            plan.step()
            done += 1
            report(done, total)


def _scaled(pictures: Tensor, device: torch.device) -> Tensor:
    return pictures.to(device).float().div(127.5).sub(1)
