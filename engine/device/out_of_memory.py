"""Recognising out-of-memory errors."""

import re

import torch

_NO_MEMORY = re.compile(
    "can't allocate memory|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_[A-Z_]*ALLOC[A-Z]*_FAILED"
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a smaller micro-batch may help after this error; the CPU and CUDA's libraries raise plain
    RuntimeErrors.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error)) is not None
