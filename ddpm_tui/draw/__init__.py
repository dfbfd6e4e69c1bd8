"""Drawing in a terminal: half-block pictures, braille curves, as rich Segments. Knows no Textual, no runs.

Import from the modules; this package itself imports nothing, so importing it is cheap.
"""
