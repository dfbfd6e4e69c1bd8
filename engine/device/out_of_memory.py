"""Telling a device that ran out of memory from every other failure."""

import re

import torch

_NO_MEMORY = re.compile(
    "can't allocate memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_[A-Z_]*ALLOC[A-Z]*_FAILED"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a smaller micro-batch may help; those of the CPU and of
    CUDA's libraries fail as plain RuntimeErrors."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
