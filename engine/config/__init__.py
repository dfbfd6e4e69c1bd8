"""Profiles, the settings of runs: reading, checking and changing them. Never imports torch."""
