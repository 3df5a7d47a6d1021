"""Exercises of the notebook 06_file_io: one file each."""
