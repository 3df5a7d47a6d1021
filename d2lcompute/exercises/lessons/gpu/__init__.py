"""Exercises of the notebook 07_gpu: one file each."""
