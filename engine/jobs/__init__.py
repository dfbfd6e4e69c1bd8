"""A job's folder and files, shared by service, command line and worker. Never imports torch."""
