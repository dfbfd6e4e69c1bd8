"""The process that runs one job, and the process that estimates costs for the screen."""
