"""Pictures: where they come from, how they are cropped, the packed cache, the built-in faces."""
