"""Exercises of the notebook 01_blocks: one file each."""
