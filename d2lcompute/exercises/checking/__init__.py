"""Checking: what an exercise is, how an answer is tried, and how the first counter-example is told."""
