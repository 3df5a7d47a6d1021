"""Exercises of the notebook 02_parameters: one file each."""
