"""Exercises of the notebook 14_common_errors: one file each."""
