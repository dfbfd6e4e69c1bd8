"""Checkpoints in the forms of other programs: diffusers, ONNX, a web page; each checked against the original."""
