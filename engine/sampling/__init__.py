"""Sampling: loading a checkpoint, drawing a set of pictures, writing grids and trajectories."""
