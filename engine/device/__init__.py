"""Devices: choosing one, its properties, and the resulting precision, memory and threads."""
