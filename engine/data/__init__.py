"""Pictures: sources, crops, packed data, built-in faces."""
