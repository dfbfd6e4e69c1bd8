"""Clients of the service, one that waits and one that does not, over the same messages."""
