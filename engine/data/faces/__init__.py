"""The built-in data set: portraits drawn by code from a seed. Uses NumPy only, never torch.

`python -m engine.data.faces SHEET.png` writes a sheet of them.
"""

from engine.data.faces.attributes import NAMES, Attributes, attributes
from engine.data.faces.making import faces, generate
from engine.data.faces.painter import draw_face

__all__ = ["NAMES", "Attributes", "attributes", "draw_face", "faces", "generate"]
