"""Exercises of the notebook 13_distributed: one file each."""
