"""The foundation of all other packages: errors, atomic files, records, the layout of the home."""
