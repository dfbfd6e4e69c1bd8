"""Drawing in a terminal: half-block pictures, braille curves, as rich Segments. Knows no Textual, no runs.

Import what you need from the modules; this package itself imports nothing, so naming it costs nothing.
"""
