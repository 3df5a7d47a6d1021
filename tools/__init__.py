"""The few scripts that keep the notebooks in order."""
