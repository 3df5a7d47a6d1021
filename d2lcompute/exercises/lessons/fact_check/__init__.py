"""Exercises of the notebook 15_fact_check: one file each."""
