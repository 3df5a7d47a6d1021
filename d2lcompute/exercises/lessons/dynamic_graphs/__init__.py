"""Exercises of the notebook 09_dynamic_graphs: one file each."""
