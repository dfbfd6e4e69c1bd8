"""Runs, their checkpoints and their metrics on disk. Never imports torch."""
