"""The background engine: a queue of jobs in SQLite, one worker process a job, a socket for clients.

Never imports torch, textual or ddpm_tui: it has to be small, quick to start and hard to kill.
"""
