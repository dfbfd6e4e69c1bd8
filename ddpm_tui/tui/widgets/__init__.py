"""Widgets of the terminal app, each usable alone. They are given data; none opens a run folder or a socket."""
