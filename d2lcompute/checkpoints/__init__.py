"""Checkpoints: a model, its optimizer, the step and extra values in one file, saved whole and loaded whole.

``checkpoint`` is what people call; ``state`` knows what a model and an optimizer hold, compares it with what was saved,
and puts it in place; ``files`` writes and reads the bytes; ``errors`` has the one error of all three.
"""

from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .errors import CheckpointError

__all__ = ["Checkpoint", "CheckpointError", "load_checkpoint", "save_checkpoint"]
