"""What the app knows: one Snapshot, made by one Store; screens only show it."""
