"""State: what a model holds, and whether a saved state fits it."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._translation import tr
from .errors import CheckpointError
from .memory import conflict, groups
from .wrapped import namer, renamed

__all__ = ["check_model", "check_same", "describe", "fitting_part", "kept_names", "state_of", "state_to_save"]


def state_of(file: Path, model: nn.Module) -> dict[str, Any]:
    """Return a model's own tensors by name, unless it has no values: a lazy layer before its first data, ``meta``."""
    state = renamed(model.state_dict(keep_vars=True), namer(model))
    for key, value in state.items():
        if is_lazy(value):
            raise CheckpointError(
                tr(
                    "{file}: expected values for {key!r}, found a lazy layer that has seen no data and has no shape "
                    "yet; pass one batch through the model first",
                    file=file,
                    key=key,
                )
            )
        if isinstance(value, torch.Tensor) and value.is_meta:
            raise CheckpointError(
                tr(
                    "{file}: expected values for {key!r}, found a tensor on the meta device, which has none; build the "
                    "model on a real device, or give it memory with model.to_empty(device='cpu')",
                    file=file,
                    key=key,
                )
            )
    return state


def state_to_save(file: Path, model: nn.Module) -> dict[str, Any]:
    """Return a model's state without its gradients, unless it could not be loaded into such a model again."""
    state = state_of(file, model)
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            continue
        if value.layout == torch.strided and any(
            size > 1 and stride == 0 for size, stride in zip(value.shape, value.stride(), strict=True)
        ):
            raise CheckpointError(
                tr(
                    "{file}: expected memory for each element, found {key!r} expanded, which no value can be loaded "
                    "into; register its clone() in the model",
                    file=file,
                    key=key,
                )
            )
        state[key] = value.detach()
    return state


def check_model(file: Path, current: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise unless a saved state has the model's keys, shapes and dtypes, and one value for what shares memory."""
    check_same(file, "model", _describe_all(current), _describe_all(saved))
    for names in groups(current):
        if found := conflict(names, current, saved):
            raise CheckpointError(
                tr(
                    "{file}: model: expected equal values for {one!r} and {other!r}, which are tied in the model, "
                    "found different ones; load it into a model that does not tie them",
                    file=file,
                    one=found[0],
                    other=found[1],
                )
            )


def fitting_part(file: Path, current: Mapping[str, Any], saved: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a saved state whose name, shape and dtype the model has; if there are none, raise."""
    expected, found = _describe_all(current), _describe_all(saved)
    part = copy.copy(saved)  # with the versions of the modules
    for key in found:
        if found[key] != expected.get(key):
            del part[key]
    if part:
        return part
    raise CheckpointError(
        tr(
            "{file}: model: expected an entry that fits, found none; the model has {own}, the file has {saved}. If the "
            "file holds a part of the model, load it into that part, as into model.backbone",
            file=file,
            own=_some(list(current)),
            saved=_some(list(saved)),
        )
    )


def kept_names(current: Mapping[str, Any], loaded: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names in a model whose values stay when others are loaded: not those that share their memory."""
    changed = {name for names in groups(current) if not loaded.keys().isdisjoint(names) for name in names}
    return tuple(key for key in current if key not in loaded and key not in changed)


def describe(value: Any) -> str:
    """Return the shape and dtype of a tensor, or the type of anything else."""
    if isinstance(value, torch.Tensor):
        return tr("shape {shape} of {dtype}", shape=tuple(value.shape), dtype=value.dtype)
    return type(value).__name__


def _describe_all(state: Mapping[str, Any]) -> dict[str, str]:
    """Describe each entry of a state; what a module keeps as extra state is its own business."""
    return {key: "extra" if key.endswith("_extra_state") else describe(value) for key, value in state.items()}


def check_same(file: Path, part: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise if one side lacks a key, or at the first one at which the two differ."""
    if part == "model":
        remedy = tr("build the model as it was when the file was saved, or load what fits with partial=True")
    else:
        remedy = tr("build the {part} as it was when the file was saved", part=part)
    missing = [key for key in expected if key not in found]
    surplus = [key for key in found if key not in expected]
    if missing or surplus:
        raise CheckpointError(
            tr(
                "{file}: {part}: expected and not found: {missing}; found and not expected: {surplus}; {remedy}",
                file=file,
                part=part,
                missing=_some(missing),
                surplus=_some(surplus),
                remedy=remedy,
            )
        )
    for key, value in expected.items():
        if found[key] != value:
            raise CheckpointError(
                tr(
                    "{file}: {part}: {key!r}: expected {expected}, found {found}; {remedy}",
                    file=file,
                    part=part,
                    key=key,
                    expected=value,
                    found=found[key],
                    remedy=remedy,
                )
            )


def _some(keys: list[str]) -> str:
    """List the first keys and count the rest."""
    names = ", ".join(map(repr, keys[:3]))
    if keys[3:]:
        return tr("{names} and {count} more", names=names, count=len(keys) - 3)
    return names or tr("nothing")
