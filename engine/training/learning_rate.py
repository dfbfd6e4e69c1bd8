"""The learning rate as a pure function of the step; a resumed run needs no scheduler state."""

import math

from engine.profile import OptimSection


def learning_rate(optim: OptimSection, step: int, steps_per_epoch: int, horizon_epochs: int) -> float:
    """The rate of optimizer step `step` (from 0).

    Linear warm-up over `warmup_steps`; then constant, the last of `lr_steps` whose epoch has begun, or a
    half cosine that reaches `final_lr` at the frozen horizon and stays there, so that more epochs make sense.
    """
    rate = optim.lr
    if optim.schedule == "step":
        epoch = step // steps_per_epoch + 1
        rate = next((s.lr for s in reversed(optim.lr_steps) if epoch >= s.epoch), optim.lr)
    elif optim.schedule == "cosine":
        total = max(1, horizon_epochs * steps_per_epoch - optim.warmup_steps)
        done = min(1.0, max(0, step - optim.warmup_steps) / total)
        rate = optim.final_lr + (optim.lr - optim.final_lr) * 0.5 * (1 + math.cos(math.pi * done))
    if step < optim.warmup_steps:
        rate *= (step + 1) / optim.warmup_steps
    return rate
