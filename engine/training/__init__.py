"""The training loop and what belongs to it: precision, EMA, learning rates, checkpoints."""
