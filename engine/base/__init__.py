"""What every part stands on: errors, files, records, where things are."""
