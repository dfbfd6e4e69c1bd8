"""Clients of the service, a synchronous and an asynchronous one, with the same messages."""
