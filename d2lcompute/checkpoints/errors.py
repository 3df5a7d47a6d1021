"""Errors: the one that both ways raise."""

__all__ = ["CheckpointError"]


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be saved or loaded: which file, what was expected, what was found, what to do."""
