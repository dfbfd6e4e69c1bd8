"""The measures, one file each; `engine.runs.measures` is their table."""
