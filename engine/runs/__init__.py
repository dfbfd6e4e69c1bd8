"""Runs, their checkpoints and their metrics, as they are on disk. Never imports torch."""
