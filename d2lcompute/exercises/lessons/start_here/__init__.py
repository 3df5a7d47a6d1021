"""Exercises of the notebook 00_start_here: one file each."""
