"""The shipped worker on a machine whose torch sees cards: as many as CUDA_VISIBLE_DEVICES lets it, else three.

Only torch's facts are injected; everything that decides by them is what users run. Nothing can be computed on them.
"""

import os
import sys
from types import SimpleNamespace

import torch

from engine.worker.main import main

cards = [card for card in os.environ.get("CUDA_VISIBLE_DEVICES", "0,1,2").split(",") if card]

torch.cuda.is_available = lambda: bool(cards)
torch.cuda.device_count = lambda: len(cards)
torch.cuda.get_device_properties = lambda index: SimpleNamespace(
    name=f"card {cards[index]}", total_memory=16 << 30, major=8, minor=6
)
torch.cuda.get_arch_list = lambda: ["sm_86"]
torch.cuda.set_device = lambda device: None

sys.exit(main())
