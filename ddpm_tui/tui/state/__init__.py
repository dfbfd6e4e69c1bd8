"""The app's state: one Snapshot, made by one Store; screens only show it."""
