"""One file a screen. A screen shows the app's Snapshot and turns keys into requests; it reads no disk itself."""
