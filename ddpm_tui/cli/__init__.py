"""The command line: one file a noun, each a click group. Never imports torch or textual."""
