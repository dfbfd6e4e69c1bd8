"""The code of exported folders. Each module runs alone once `engine.export.bundle` has joined it with its imports
from this program; it may therefore import only small modules of it, by `from … import …`."""
