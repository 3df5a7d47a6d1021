"""Exercises of the notebook 08_training: one file each."""
