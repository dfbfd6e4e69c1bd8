"""Figures for papers and pages, made from runs. Uses NumPy and Pillow only, never torch."""
