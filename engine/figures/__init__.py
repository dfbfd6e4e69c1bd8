"""Pictures for papers and pages, made from runs: numpy and Pillow only, never torch."""
