"""Benchmarks: what d2lcompute costs beside what it stands on, measured side by side in one run."""
