"""Checkpoints: a model, its optimizer, the step and extra values in one file, saved whole and loaded whole.

What people call is in ``checkpoint``; one error for all is in ``errors``. Below are three groups:

* What a model and an optimizer hold: ``state`` and ``optimizers`` read it and compare it with what was saved,
  ``restoring`` puts it in place; ``wrapped`` knows names without ``torch.compile`` and the like, ``memory`` which
  tensors share it.
* Bytes: ``files`` writes and reads a file whole, ``archive`` and ``tensors`` know the two formats.
* Words: ``values`` says how to convert what cannot be saved, ``foreign`` what a file is instead of a checkpoint.
"""

from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .errors import CheckpointError

__all__ = ["Checkpoint", "CheckpointError", "load_checkpoint", "save_checkpoint"]
