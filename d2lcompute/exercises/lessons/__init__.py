"""Lessons: one folder a notebook, one file an exercise."""
