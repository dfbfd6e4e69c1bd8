"""Compiling the network if the plan says so. It is tried before the first step, so that no training fails because of
it.

Triton needs a C compiler and Python's headers, which the slim images of many rented GPUs lack.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from engine.base.errors import DdpmError, DiskFullError, UserError
from engine.base.files import MAKE_ROOM, is_disk_full
from engine.base.scarcity import is_scarce, scarce
from engine.device.out_of_memory import is_out_of_memory
from engine.device.plan import DevicePlan, autocast
from engine.jobs.context import Work
from engine.runs.record import freeze
from engine.training.session import Session

Forward = Callable[..., Tensor]


class CannotCompile(DdpmError):
    """Raised if the network cannot be compiled on this machine; torch's reason in one line."""


def forward_of(work: Work, session: Session) -> Forward:
    """Return the session's network, compiled if its plan says so and compiling works. If it does not, the reason is
    reported and frozen in the run, so that later jobs behave the same.

    Raises UserError if the profile requires compiling.
    """
    model, plan = session.state.model, session.plan
    if not plan.compile:
        return model
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(work.home.compile_cache))
    work.report("compiling", text="compiling the network (kept for later jobs)")
    size = session.profile.data.size
    try:
        return compiled(model, plan, (session.state.micro_batch, 3, size, size))
    except CannotCompile as error:
        if session.profile.training.compile == "on":
            raise UserError(
                f"training.compile = 'on', but the network cannot be compiled here: {error.what}",
                "install a C++ compiler and Python's headers (build-essential, python3-dev), or use "
                "--set training.compile=auto",
            ) from error
        reasons = [reason for reason in plan.reasons if not reason.startswith("compiled:")]
        reason = f"not compiled: {error.what}"
        session.plan = replace(plan, compile=False, reasons=(*reasons, reason))
        freeze(session.run, plan=session.plan.to_json())
        work.say(reason)
        if session.resumed:
            work.say(
                "it was compiled before, so from here its bits differ from those of an uninterrupted run"
            )
        return model


def compiled(model: nn.Module, plan: DevicePlan, shape: Sequence[int]) -> Forward:
    """Return the compiled `model`, after one forward and backward pass over zeros (N, C, H, W); no gradient is left.

    Raises CannotCompile, except for lack of memory, which the first step handles.
    """
    device = next(model.parameters()).device
    forward: Forward = torch.compile(model)
    x = torch.zeros(*shape, device=device)
    if plan.layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    try:
        with autocast(plan):
            output = forward(x, torch.zeros(shape[0], dtype=torch.int64, device=device))
        output.float().sum().backward()  # type: ignore[no-untyped-call]
    except Exception as error:
        if is_disk_full(error):
            raise DiskFullError("no room to write the compiler's output", MAKE_ROOM) from error
        if is_scarce(error):
            raise scarce(error, "the network cannot be compiled now") from error
        if not is_out_of_memory(error):
            raise CannotCompile(_in_one_line(error)) from error
    finally:
        model.zero_grad(set_to_none=True)
    return forward


def _in_one_line(error: Exception) -> str:
    """Shorten torch's message, which begins with its backend's name and ends with a page of advice, to its reason."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("backend=")]
    return telling[0][:200] if telling else type(error).__name__
