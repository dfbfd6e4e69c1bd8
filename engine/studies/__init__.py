"""Experiments as files: a base profile, variants of it, seeds, a budget, and a report. Never imports torch."""
