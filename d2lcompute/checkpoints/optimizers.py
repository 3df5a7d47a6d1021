"""Optimizers: what one works on, and whether a saved one fits."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from .._translation import tr
from .errors import CheckpointError
from .state import check_same, describe
from .wrapped import Namer, namer

__all__ = ["check_optimizer", "optimizer_layout"]

# What torch.optim calls the tensors that it keeps for a parameter and gives the parameter's shape.
_PARAMETER_SHAPED = {"acc_delta", "ax", "exp_avg", "exp_avg_sq", "exp_inf", "grad_avg", "max_exp_avg_sq"}
_PARAMETER_SHAPED |= {"momentum_buffer", "prev", "square_avg", "sum"}


def optimizer_layout(model: nn.Module, optimizer: Optimizer) -> dict[str, str]:
    """Describe what an optimizer works on: its class, then the name, shape and dtype of each parameter in order.

    It is kept in files and compared with what is described later: it has no language but English.
    """
    plain = namer(model)
    names = {id(parameter): repr(plain(name)) for name, parameter in model.named_parameters()}
    lines = {"class": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups):
        for place, parameter in enumerate(group["params"]):
            name = names.get(id(parameter), "a tensor outside the model")
            kind = f"shape {tuple(parameter.shape)} of {parameter.dtype}"
            lines[f"parameter {place} of group {number}"] = f"{name} with {kind}"
    return lines


def check_optimizer(
    file: Path, model: nn.Module, optimizer: Optimizer, saved: Mapping[str, Any] | None, rename: Namer
) -> None:
    """Raise unless a saved optimizer has the class and the parameters of this one, and tensors that suit them.

    Args:
        file: the file, for the error.
        model: the model, without what was wrapped around it.
        optimizer: the optimizer that is to be loaded.
        saved: what the file has of one.
        rename: returns the model's name for one in the file.
    """
    if saved is None:
        raise CheckpointError(
            tr(
                "{file}: expected an optimizer's state, found none, since it was saved without an optimizer; leave out "
                "optimizer to load the model alone",
                file=file,
            )
        )
    check_same(file, "optimizer", optimizer_layout(model, optimizer), _translated(saved["outline"], rename))
    _check_tensors(file, optimizer, saved["state_dict"]["state"])


def _translated(layout: Mapping[str, str], rename: Namer) -> dict[str, str]:
    """Return a saved layout with the model's names for those in the file."""
    result = dict(layout)
    for place, line in layout.items():
        if line.startswith("'"):  # a parameter with a name
            name, quote, rest = line[1:].partition("'")
            result[place] = f"'{rename(name)}{quote}{rest}"
    return result


def _check_tensors(file: Path, optimizer: Optimizer, state: Mapping[Any, Any]) -> None:
    """Raise unless the tensors of a saved optimizer have the shapes of its own, or of the parameters if it has none."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    expected, found = {}, {}
    for number, kept in state.items():
        if not isinstance(number, int):
            continue  # an optimizer's own state, not that of a parameter
        known = 0 <= number < len(parameters)
        own = optimizer.state.get(parameters[number], {}) if known else {}
        for key, value in kept.items():
            if not isinstance(value, torch.Tensor):
                continue
            label = f"{key} of parameter {number}"
            found[label] = describe(value)
            if isinstance(own.get(key), torch.Tensor):
                expected[label] = describe(own[key])
            elif known:
                shape = parameters[number].shape if key in _PARAMETER_SHAPED else value.shape
                expected[label] = describe(torch.empty(shape, dtype=value.dtype, device="meta"))
    check_same(file, "optimizer", expected, found)
