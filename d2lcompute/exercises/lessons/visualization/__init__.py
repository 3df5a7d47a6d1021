"""Exercises of the notebook 10_visualization: one file each."""
