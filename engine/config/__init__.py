"""Profiles: what a run is made of, read, checked and changed. Never imports torch."""
