"""What tests that need a CUDA device are marked with: `make test-gpu` runs them, and nothing else does."""

from typing import Any

import pytest
import torch

NEEDS_CARD = [
    pytest.mark.gpu,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


def on_a_card(*values: Any, id: str | None = None) -> Any:
    """A parameter set of a test that is run on the CPU with others."""
    return pytest.param(*values, marks=NEEDS_CARD, id=id)
