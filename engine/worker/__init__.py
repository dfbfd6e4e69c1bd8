"""The process that does one job, and the one that estimates for the screen."""
