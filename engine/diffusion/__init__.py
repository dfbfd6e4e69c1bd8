"""The maths of diffusion: schedules, the forward process, losses, samplers, the variational bound.

Tensors and plain arguments in, tensors out: nothing here knows of files, processes or profiles. This file
imports nothing, so that `engine.diffusion.tables` and `engine.diffusion.randomness` stay free of torch.
"""
