"""Everything that runs without a terminal."""
