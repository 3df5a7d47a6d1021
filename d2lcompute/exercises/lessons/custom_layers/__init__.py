"""Exercises of the notebook 05_custom_layers: one file each."""
