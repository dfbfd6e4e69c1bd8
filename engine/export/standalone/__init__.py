"""What exported folders carry as their own code. Each module runs alone once `engine.export.bundle` has joined it with
what it imports from this program; it may therefore import only small modules of it, by `from … import …`."""
