"""The command line: one file a noun. Never imports torch or textual."""
