"""Exercises of the notebook 12_quantization: one file each."""
