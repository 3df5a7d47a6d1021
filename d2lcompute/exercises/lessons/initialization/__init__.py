"""Exercises of the notebook 03_initialization: one file each."""
