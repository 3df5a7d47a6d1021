"""Checkpoint: what is saved and loaded, checked before anything is touched."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from .._arguments import checked_integer
from .._translation import tr
from ..devices import cpu
from .archive import read_archive, write_archive
from .errors import CheckpointError, is_memory_short, reason
from .optimizers import check_optimizer, optimizer_layout
from .restoring import restore
from .state import check_model, fitting_part, kept_names, state_of, state_to_save
from .tensors import read_tensors, write_tensors
from .wrapped import file_namer, renamed, unwrapped

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds besides the model and the optimizer, and what a partial load left out.

    Attributes:
        path: the file.
        step: how far the training had come.
        extra: the values by name.
        skipped: names in the file that were not used: the model lacks them, or has another shape or dtype there.
        kept: names in the model that kept their values, since the file has nothing that fits.
    """

    path: Path
    step: int
    extra: dict[str, Any]
    skipped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def save_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    step: int = 0,
    extra: Mapping[str, Any] | None = None,
    durable: bool = True,
) -> None:
    """Save what is needed to go on later as if training had never stopped, in one file.

    The file is written beside ``path`` and moved into place when it is complete: whatever happens, ``path`` holds the
    old checkpoint or the new one. Only a process that is killed leaves a temporary file, hidden and ending in ``.tmp``.
    Windows refuses to replace a file while another program reads it: an error, and the old checkpoint stays.

    A model that is wrapped by ``torch.compile``, ``DataParallel`` or ``DistributedDataParallel``, also in one another,
    is saved under the names that it has without them, and so is what is wrapped inside it: no ``_orig_mod.`` or
    ``module.`` gets into the file. The same goes for the optimizer.

    Args:
        path: where to save. If it ends in ``.safetensors``, the file holds the model's tensors and nothing else, for
            other programs to read; it has no checksums. Any other name holds everything.
        model: the model. A lazy layer must have seen data, and nothing may be on the ``meta`` device.
        optimizer: the optimizer, if training is to go on.
        step: how far the training has come, 0 or more.
        extra: values by name: tensors, numbers, strings, None, and lists, tuples, sets and dicts of them, such as
            ``{"rng": torch.get_rng_state(), "scheduler": scheduler.state_dict()}``.
        durable: wait until the file is on the disk, so that it survives a power cut. Without, saving is faster.

    Raises:
        CheckpointError: if the file cannot be written, or what it would hold could not be loaded again.
        TypeError: if an argument is of the wrong type.
        ValueError: if ``step`` is negative, or a ``.safetensors`` file is to hold more than tensors.

    Example:
        >>> import tempfile
        >>> net, folder = nn.Linear(4, 2), tempfile.TemporaryDirectory()
        >>> save_checkpoint(Path(folder.name, "net.pt"), net, step=7, extra={"loss": 0.5})
        >>> load_checkpoint(Path(folder.name, "net.pt"), nn.Linear(4, 2)).extra
        {'loss': 0.5}
        >>> folder.cleanup()

    Source:
        Book zh 5.5.2 / en 6.6.2, which saves the parameters alone.
    """
    file, step, extra = _check_arguments(path, model, optimizer, step, extra)
    model = unwrapped(model)
    state = state_to_save(file, model)
    if _is_safetensors(file):
        return write_tensors(file, state, durable=durable)
    content: dict[str, Any] = {"step": step, "model": state, "extra": extra, "optimizer": None}
    if optimizer is not None:
        content["optimizer"] = {"outline": optimizer_layout(model, optimizer), "state_dict": optimizer.state_dict()}
    return write_archive(file, content, durable=durable)


def load_checkpoint(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: Optimizer | None = None,
    *,
    map_location: Any = None,
    verify: bool = True,
    partial: bool = False,
) -> Checkpoint:
    """Load a file of :func:`save_checkpoint` into a model and an optimizer: all of it, or nothing and an error.

    Nothing in the file is run. Tensors are copied into the model where it is, whatever device they were saved from.
    That takes little memory; a model on an accelerator, or with its own way of loading, needs that of a second one.

    It makes no difference whether the model, or the one that was saved, is wrapped by ``torch.compile``,
    ``DataParallel`` or ``DistributedDataParallel``: these are told by their type, so that a submodule of yours may be
    called ``module``. In files that other programs wrote from a wrapped model, ``_orig_mod.`` anywhere and
    ``module.`` at the beginning of all keys are left out, if more keys fit the model without them.

    Args:
        path: the file.
        model: a model with the same keys, shapes and dtypes as the one that was saved.
        optimizer: an optimizer of the same class over the same parameters; leave it out to load the model alone.
        map_location: where ``extra`` goes, as in ``torch.load``; by default the CPU.
        verify: compare the file with its checksums first (about a third of a second for a gigabyte). Without, a bit
            that flipped on the disk can become a wrong weight in silence, as with ``torch.load``.
        partial: load the entries whose name, shape and dtype fit the model, such as a backbone under a new head, and
            leave the rest of the model as it is. The result names what was left out on both sides.

    Returns:
        The path, the step and the extra values; with ``partial=True`` also the names that were skipped and kept.

    Raises:
        CheckpointError: if the file is missing, damaged, no checkpoint, holds code, or does not fit. The model and the
            optimizer are then, bit for bit, what they were. With ``partial=True``, if no entry fits.
        TypeError: if ``model`` or ``optimizer`` is of the wrong type.
        ValueError: if an optimizer is to be loaded from a ``.safetensors`` file, which holds tensors alone, or with
            ``partial=True``, since its state belongs to all of the parameters that were saved.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> save_checkpoint(Path(folder.name, "net.pt"), nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 10)))
        >>> new_head = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
        >>> load_checkpoint(Path(folder.name, "net.pt"), new_head, partial=True).kept
        ('1.weight', '1.bias')
        >>> folder.cleanup()

    Source:
        Book zh 5.5.2 / en 6.6.2.
    """
    if partial and optimizer is not None:
        raise ValueError(
            tr(
                "partial=True loads a part of the model alone, and an optimizer's state belongs to all of the "
                "parameters that were saved; leave out optimizer, and make a new one"
            )
        )
    file, _, _ = _check_arguments(path, model, optimizer)
    model = unwrapped(model)
    current = state_of(file, model)
    if _is_safetensors(file):
        saved: dict[str, Any] = {"step": 0, "model": read_tensors(file), "optimizer": None, "extra": {}}
    else:
        saved = read_archive(file, map_location=cpu() if map_location is None else map_location, verify=verify)
    try:
        rename = file_namer(saved["model"], current)
        values = renamed(saved["model"], rename)
        loaded = fitting_part(file, current, values) if partial else values
        check_model(file, {key: current[key] for key in loaded} if partial else current, loaded)
        if optimizer is not None:
            check_optimizer(file, model, optimizer, saved["optimizer"], rename)
        extra = copy.deepcopy(saved["extra"])  # a copy outlives the mapped file
        skipped = tuple(key for key in saved["model"] if partial and rename(key) not in loaded)
        result = Checkpoint(file, saved["step"], extra, skipped, kept_names(current, loaded) if partial else ())
        restore(model, optimizer, current, loaded, saved["optimizer"])
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            tr(
                "{file}: could not be put in place, since memory is short: {reason}; the model and the optimizer are "
                "what they were",
                file=file,
                reason=reason(error),
            )
            if is_memory_short(error)
            else tr(
                "{file}: could not be put in place ({error}); the model and the optimizer are what they were",
                file=file,
                error=error,
            )
        ) from error
    return result


def _is_safetensors(file: Path) -> bool:
    """Return whether a path asks for the safetensors format."""
    return file.suffix.lower() == ".safetensors"


def _check_arguments(
    path: str | os.PathLike[str], model: nn.Module, optimizer: Optimizer | None, step: int = 0, extra: Any = None
) -> tuple[Path, int, dict[str, Any]]:
    """Return path, step and extra in their plainest types, or raise the error that names the argument."""
    if not isinstance(model, nn.Module):
        raise TypeError(
            tr("model must be an nn.Module, not its state_dict or anything else; got {kind}", kind=type(model).__name__)
        )
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(
            tr("optimizer must be a torch.optim.Optimizer or None; got {kind}", kind=type(optimizer).__name__)
        )
    if not isinstance(extra, Mapping | None) or not all(isinstance(key, str) for key in extra or ()):
        raise TypeError(
            tr("extra must be a dict of values by name, such as {{'loss': 0.5}}; got {extra!r}", extra=extra)
        )
    step = checked_integer("step", step, minimum=0)
    file = Path(path)
    if _is_safetensors(file) and (optimizer or step or extra):
        raise ValueError(
            tr(
                "{file}: a .safetensors file holds the model's tensors alone; leave out optimizer, step and extra, or "
                "choose a name that ends in .pt",
                file=file,
            )
        )
    return file, step, dict(extra or {})
