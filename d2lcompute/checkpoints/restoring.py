"""Restoring: how a saved state replaces that of a model and an optimizer, all of it or nothing."""

import contextlib
import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from .._translation import tr
from .wrapped import namer

__all__ = ["restore"]


def restore(
    model: nn.Module,
    optimizer: Optimizer | None,
    current: Mapping[str, Any],
    saved: Mapping[str, Any],
    saved_optimizer: Mapping[str, Any] | None,
) -> None:
    """Replace the state of a model and an optimizer by a saved one that fits, or raise and leave them as they were.

    Args:
        model: the model, without what was wrapped around it.
        optimizer: the optimizer, if it is to be loaded.
        current: the model's own tensors by name.
        saved: the new values of all of them or, for the model alone, of some.
        saved_optimizer: what the file has of an optimizer.
    """
    usual = _loads_as_usual(model, current)
    plain = usual and all(_is_plain(current[key]) and value.device.type == "cpu" for key, value in saved.items())
    with contextlib.ExitStack() as undo:
        if optimizer is not None and saved_optimizer is not None:
            versions = [(tensor, tensor._version) for tensor in current.values() if plain]
            undo.callback(_put_back, optimizer, dict(vars(optimizer)), versions)
            _load_optimizer(optimizer, saved_optimizer["state_dict"])
        if plain:
            # One call that cannot fail halfway. Ctrl-C comes before or after it; the versions tell _put_back which.
            _copy([current[key] for key in saved], list(saved.values()))
            undo.pop_all()
            return
        before = model.state_dict()
        for key, own in zip(before, current.values(), strict=True):
            value = before[key]
            before[key] = value.to("cpu", copy=True) if isinstance(value, torch.Tensor) else copy.deepcopy(value)
            if isinstance(value, torch.Tensor):
                undo.callback(_copy, [own], [before[key]])
        undo.callback(model.load_state_dict, before)
        options = {} if saved.keys() == current.keys() else {"strict": False}
        # A module with its own way of loading may keep what it is given, and the file will not stay mapped.
        model.load_state_dict(_under_own_names(before, model, saved if usual else copy.deepcopy(saved)), **options)
        undo.pop_all()


def _under_own_names(own: Mapping[str, Any], model: nn.Module, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return saved values under the names, and versions under the paths, that a model's ``load_state_dict`` knows."""
    plain = namer(model)
    state: OrderedDict[str, Any] = OrderedDict((key, saved[plain(key)]) for key in own if plain(key) in saved)
    versions = getattr(saved, "_metadata", {})
    paths = {path: plain(path) for path in getattr(own, "_metadata", {})}
    state._metadata = {path: versions[name] for path, name in paths.items() if name in versions}  # type: ignore[attr-defined]
    return state


def _put_back(optimizer: Optimizer, before: dict[str, Any], versions: list[tuple[torch.Tensor, int]]) -> None:
    """Undo the loading of an optimizer, unless the model's tensors have got their new values meanwhile."""
    # load_state_dict builds new dicts and leaves the old ones alone: keeping those is enough to go back.
    if all(tensor._version == version for tensor, version in versions):
        vars(optimizer).update(before)


def _load_optimizer(optimizer: Optimizer, saved: Mapping[str, Any]) -> None:
    """Load an optimizer's state; options that a scheduler added before it was saved come along."""
    options = [set(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(_own(saved))
    for number, (names, group) in enumerate(zip(options, optimizer.param_groups, strict=True)):
        if missing := sorted(names - group.keys()):
            raise ValueError(
                tr(
                    "optimizer: expected the options {options} in group {number}, found none; build it and its "
                    "scheduler as they were when the file was saved",
                    options=missing,
                    number=number,
                )
            )


def _own(value: Any) -> Any:
    """Copy what an optimizer is to keep, so that it outlives the mapped file."""
    if isinstance(value, dict):
        return {key: _own(item) for key, item in value.items()}
    return value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)


def _loads_as_usual(model: nn.Module, current: Mapping[str, Any]) -> bool:
    """Return whether loading means copying into the model's own tensors, with nobody's code in between."""
    own = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    return (
        getattr(model.load_state_dict, "__func__", None) is nn.Module.load_state_dict
        and all(id(value) in own for value in current.values())
        and not any(
            module._load_state_dict_pre_hooks
            or module._load_state_dict_post_hooks
            # torch's own ways of loading, such as BatchNorm's, differ for files from before 2019 only
            or not module._load_from_state_dict.__module__.startswith("torch.nn.modules.")
            for module in model.modules()
        )
    )


def _is_plain(tensor: torch.Tensor) -> bool:
    """Return whether copying values of the right shape and dtype into a tensor cannot fail."""
    usual = type(tensor) in (torch.Tensor, nn.Parameter) and tensor.device.type == "cpu" and not tensor.is_inference()
    odd = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_conj() or tensor.is_neg()
    return usual and not odd and tensor.is_contiguous()


@torch.no_grad()
def _copy(targets: list[torch.Tensor], sources: list[torch.Tensor]) -> None:
    """Copy the values of ``sources`` into ``targets``."""
    if targets:
        torch._foreach_copy_(targets, sources)
