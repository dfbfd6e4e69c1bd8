"""This machine's speed: peaks, steps, epochs, packing, sampling, start-up, scale.

`options` and `report` are torch-free, so that the command line can use them; everything else runs in a worker.
"""
