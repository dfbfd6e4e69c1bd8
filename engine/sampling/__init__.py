"""What a sampling job does: load a checkpoint, draw a set, write grids and trajectories."""
