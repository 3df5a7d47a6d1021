"""Checkpoint: what is saved and loaded, checked before anything is touched."""

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from .._arguments import checked_integer
from ..devices import cpu
from .archive import read_archive, write_archive
from .errors import CheckpointError
from .state import check_model, check_optimizer, choose_fitting, optimizer_layout, restore, state_of
from .tensors import check_writable, read_tensors, write_tensors
from .wrapped import unwrapped

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint"]

_FORMAT, _VERSION = "d2lcompute checkpoint", 1


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds besides the model and the optimizer, and what became of its entries.

    Attributes:
        path: the file.
        step: how far the training had come.
        extra: the extra values.
        skipped: with ``partial=True``, the entries of the file that fit nothing in the model.
        kept: with ``partial=True``, the entries of the model that kept their values.
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

    A model that is wrapped (``torch.compile``, ``DataParallel``, ``DistributedDataParallel``, also one inside another,
    also a part of the model) is saved under the names of the bare one, and so loads into either.

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
    state = state_of(file, model)
    if _is_safetensors(file):
        if others := [key for key, value in state.items() if not isinstance(value, torch.Tensor)]:
            raise CheckpointError(
                f"{file}: expected tensors alone, found {others[0]!r}; choose a name that ends in .pt"
            )
        return write_tensors(file, state, durable=durable)
    check_writable(file, state)
    content: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "step": step, "model": state, "extra": extra}
    content["optimizer"] = None
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
    A wrapped model (see :func:`save_checkpoint`) loads what a bare one saved, and the other way round.

    Args:
        path: the file.
        model: a model with the same keys, shapes and dtypes as the one that was saved.
        optimizer: an optimizer of the same class over the same parameters; leave it out to load the model alone.
        map_location: where ``extra`` goes, as in ``torch.load``; by default the CPU.
        verify: compare the file with its checksums first (about a third of a second for a gigabyte). Without, a bit
            that flipped on the disk can become a wrong weight in silence, as with ``torch.load``.
        partial: load the entries whose name, shape and dtype fit, and leave the rest of the model as it is: a backbone
            under a new head. Unlike ``load_state_dict(strict=False)`` it takes an entry of another shape for one that
            does not fit, says what was left out, and refuses a file in which nothing fits.

    Returns:
        The path, the step and the extra values; with ``partial`` also what was skipped and what was kept.

    Raises:
        CheckpointError: if the file is missing, damaged, no checkpoint, holds code, or does not fit. The model and the
            optimizer are then, bit for bit, what they were.
        TypeError: if ``model`` or ``optimizer`` is of the wrong type.
        ValueError: if an optimizer is to be loaded from a ``.safetensors`` file, which holds tensors alone, or with
            ``partial``, since its state belongs to the whole model.

    Example:
        See :func:`save_checkpoint`.

    Source:
        Book zh 5.5.2 / en 6.6.2.
    """
    file, _, _ = _check_arguments(path, model, optimizer)
    if partial and optimizer is not None:
        raise ValueError(
            "optimizer must be None with partial=True: its state belongs to all parameters of the model that was "
            "saved; load the model, then build an optimizer for it"
        )
    current = state_of(file, model, keep_vars=True)
    saved = _read(file, cpu() if map_location is None else map_location, verify=verify)
    saved["model"] = unwrapped(saved["model"], current)
    skipped: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    if partial:
        saved["model"], skipped, kept = choose_fitting(file, current, saved["model"])
        current = {key: current[key] for key in saved["model"]}
    try:
        check_model(file, current, saved["model"])
        if optimizer is not None:
            check_optimizer(file, model, optimizer, saved["optimizer"])
        loaded = Checkpoint(
            file, saved["step"], copy.deepcopy(saved["extra"]), skipped, kept
        )  # a copy outlives the file
        restore(model, optimizer, current, saved["model"], saved["optimizer"])
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(
            f"{file}: could not be put in place ({error}); the model and the optimizer are what they were"
        ) from error
    return loaded


def _read(file: Path, map_location: Any, *, verify: bool) -> dict[str, Any]:
    """Return the parts of a checkpoint file, or say what the file is instead."""
    if _is_safetensors(file):
        return {"step": 0, "model": read_tensors(file), "optimizer": None, "extra": {}}
    saved = read_archive(file, map_location=map_location, verify=verify)
    if not isinstance(saved, dict) or saved.get("format") != _FORMAT:
        raise CheckpointError(
            f"{file}: expected a file of save_checkpoint, found {_kind(saved)}; read it with torch.load(path, "
            "weights_only=True), and save it with save_checkpoint from then on"
        )
    if saved.get("version") != _VERSION:
        raise CheckpointError(
            f"{file}: expected format {_VERSION}, found {saved.get('version')!r}; update d2lcompute to load it"
        )
    kinds = {"step": int, "model": dict, "optimizer": dict | None, "extra": dict}
    if wrong := [key for key, kind in kinds.items() if not isinstance(saved.get(key), kind)]:
        raise CheckpointError(f"{file}: expected {wrong[0]!r}, found none that can be used; load an older file")
    return saved


def _kind(value: Any) -> str:
    """Say what a file that is no checkpoint holds."""
    if isinstance(value, dict) and value and all(isinstance(item, torch.Tensor) for item in value.values()):
        return f"a bare state_dict of {len(value)} tensors (model.load_state_dict takes it)"
    return f"a dict with the keys {list(value)[:5]}" if isinstance(value, dict) else f"a {type(value).__name__}"


def _is_safetensors(file: Path) -> bool:
    """Return whether a path asks for the safetensors format."""
    return file.suffix.lower() == ".safetensors"


def _check_arguments(
    path: str | os.PathLike[str], model: nn.Module, optimizer: Optimizer | None, step: int = 0, extra: Any = None
) -> tuple[Path, int, dict[str, Any]]:
    """Return path, step and extra in their plainest types, or raise the error that names the argument."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be an nn.Module, not its state_dict or anything else; got {type(model).__name__}")
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a torch.optim.Optimizer or None; got {type(optimizer).__name__}")
    if not isinstance(extra, Mapping | None) or not all(isinstance(key, str) for key in extra or ()):
        raise TypeError(f"extra must be a dict of values by name, such as {{'loss': 0.5}}; got {extra!r}")
    step = checked_integer("step", step, minimum=0)
    file = Path(path)
    if _is_safetensors(file) and (optimizer or step or extra):
        raise ValueError(
            f"{file}: a .safetensors file holds the model's tensors alone; leave out optimizer, step and extra, or "
            "choose a name that ends in .pt"
        )
    return file, step, dict(extra or {})
