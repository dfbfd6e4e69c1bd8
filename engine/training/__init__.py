"""Training: the loop, precision, EMA, learning rates, checkpoints."""
