"""Exercises of the notebook 11_mixed_precision: one file each."""
