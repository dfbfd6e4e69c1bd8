"""Devices: which one, what it can do, and what follows from it for precision, memory and threads."""
