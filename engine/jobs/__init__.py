"""What service, command line and worker share of a job: its folder and its files. Never imports torch."""
