"""Checkpoints: a model, its optimizer, the step and extra values in one file, saved whole and loaded whole.

``checkpoint`` is what people call. ``state`` knows what a model and an optimizer hold, compares it with what was saved,
and puts it in place; ``wrapped`` finds the names of a bare model in a wrapped one. ``archive`` and ``tensors`` are the
two formats, ``files`` replaces and reads a file as a whole, ``diagnosis`` and ``errors`` say what went wrong.
"""

from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .errors import CheckpointError

__all__ = ["Checkpoint", "CheckpointError", "load_checkpoint", "save_checkpoint"]
