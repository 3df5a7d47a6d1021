"""Costs: what a program would take on such a machine: figures, clock, counts."""
