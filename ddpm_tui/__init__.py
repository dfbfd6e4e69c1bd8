"""What a person touches: the command line and the terminal app. Never imports torch."""
