"""Learner: what a notebook calls, and where progress is kept."""
