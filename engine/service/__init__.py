"""The background engine: a job queue in SQLite, one worker process per job, a socket for clients.

Never imports torch, textual or ddpm_tui: it has to be small, quick to start and robust.
"""
