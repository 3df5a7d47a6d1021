"""Exercises of the notebook 04_lazy_initialization: one file each."""
