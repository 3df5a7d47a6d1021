"""State: what a model and an optimizer hold, whether a saved one fits, and how it replaces theirs, all or nothing."""

import contextlib
import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from .errors import CheckpointError
from .wrapped import bare_names

__all__ = ["check_model", "check_optimizer", "choose_fitting", "optimizer_layout", "restore", "state_of"]


# What torch.optim calls the tensors that it keeps for a parameter and gives the parameter's shape.
_PARAMETER_SHAPED = {"acc_delta", "ax", "exp_avg", "exp_avg_sq", "exp_inf", "grad_avg", "max_exp_avg_sq"}
_PARAMETER_SHAPED |= {"momentum_buffer", "prev", "square_avg", "sum"}


def state_of(file: Path, model: nn.Module, *, keep_vars: bool = False) -> dict[str, Any]:
    """Return a model's state by the names of the bare model, without those that wrappers put in front.

    Raises:
        CheckpointError: if an entry has no values: a lazy layer before its first data, the ``meta`` device.
    """
    for key, tensor in (*model.named_parameters(), *model.named_buffers()):  # state_dict fails at a lazy buffer
        if is_lazy(tensor):
            raise CheckpointError(
                f"{file}: expected values for {key!r}, found a lazy layer that has seen no data and has no shape yet; "
                "pass one batch through the model first"
            )
    bare = bare_names(model)
    state = {bare.get(key, key): value for key, value in model.state_dict(keep_vars=keep_vars).items()}
    for key, value in state.items():
        if isinstance(value, torch.Tensor) and value.is_meta:
            raise CheckpointError(
                f"{file}: expected values for {key!r}, found a tensor on the meta device, which has none; build the "
                "model on a real device, or give it memory with model.to_empty(device='cpu')"
            )
    return state


def optimizer_layout(model: nn.Module, optimizer: Optimizer) -> dict[str, str]:
    """Describe what an optimizer works on: its class, then the name, shape and dtype of each parameter in order."""
    bare = bare_names(model)
    names = {id(parameter): repr(bare.get(name, name)) for name, parameter in model.named_parameters()}
    lines = {"class": type(optimizer).__name__}
    for number, group in enumerate(optimizer.param_groups):
        for place, parameter in enumerate(group["params"]):
            name = names.get(id(parameter), "a tensor outside the model")
            lines[f"parameter {place} of group {number}"] = f"{name} with {_describe(parameter)}"
    return lines


def choose_fitting(
    file: Path, current: Mapping[str, Any], saved: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """Return the saved entries that fit a model's, the names of those that do not, and the model's that stay.

    Raises:
        CheckpointError: if nothing fits.
    """
    expected, found = _describe_all(current), _describe_all(saved)
    fitting = {key: saved[key] for key in current if found.get(key) == expected[key]}
    if not fitting:
        raise CheckpointError(
            f"{file}: model: expected an entry with the name, shape and dtype of one in the model, found none; in the "
            f"model: {_some(list(current))}; in the file: {_some(list(saved))}. Build the shared part as it was saved"
        )
    skipped = tuple(key for key in saved if key not in fitting)
    kept = tuple(key for key in current if key not in fitting)
    return fitting, skipped, kept


def check_model(file: Path, current: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Raise unless a saved state has the model's keys, shapes and dtypes, and equal values where the model has ties."""
    _check_same(file, "model", _describe_all(current), _describe_all(saved))
    first: dict[int, str] = {}
    for key, value in current.items():
        twin = first.setdefault(id(value), key)
        if twin == key or not isinstance(value, torch.Tensor):
            continue
        if saved[twin].data_ptr() != saved[key].data_ptr() and not torch.equal(saved[twin], saved[key]):
            raise CheckpointError(
                f"{file}: model: expected equal values for {twin!r} and {key!r}, which are tied in the model, found "
                "different ones; load it into a model that does not tie them"
            )


def check_optimizer(file: Path, model: nn.Module, optimizer: Optimizer, saved: Mapping[str, Any] | None) -> None:
    """Raise unless a saved optimizer has the class and the parameters of this one, and tensors that suit them."""
    if saved is None:
        raise CheckpointError(
            f"{file}: expected an optimizer's state, found none, since it was saved without an optimizer; leave out "
            "optimizer to load the model alone"
        )
    _check_same(file, "optimizer", optimizer_layout(model, optimizer), saved["outline"])
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    expected, found = {}, {}
    for number, kept in saved["state_dict"]["state"].items():
        if not isinstance(number, int):
            continue  # an optimizer's own state, not that of a parameter
        known = 0 <= number < len(parameters)
        own = optimizer.state.get(parameters[number], {}) if known else {}
        for key, value in kept.items():
            if not isinstance(value, torch.Tensor):
                continue
            label = f"{key} of parameter {number}"
            found[label] = _describe(value)
            if isinstance(own.get(key), torch.Tensor):
                expected[label] = _describe(own[key])
            elif known:
                shape = parameters[number].shape if key in _PARAMETER_SHAPED else value.shape
                expected[label] = _describe(torch.empty(shape, dtype=value.dtype, device="meta"))
    _check_same(file, "optimizer", expected, found)


def restore(
    model: nn.Module,
    optimizer: Optimizer | None,
    current: Mapping[str, Any],
    saved: Mapping[str, Any],
    saved_optimizer: Mapping[str, Any] | None,
) -> None:
    """Replace the state of a model and an optimizer by a saved one that fits, or raise and leave them as they were."""
    usual = _loads_as_usual(model, current)
    plain = usual and all(_is_plain(value) and saved[key].device.type == "cpu" for key, value in current.items())
    with contextlib.ExitStack() as undo:
        if optimizer is not None and saved_optimizer is not None:
            versions = [(tensor, tensor._version) for tensor in current.values() if plain]
            undo.callback(_put_back, optimizer, dict(vars(optimizer)), versions)
            _load_optimizer(optimizer, saved_optimizer["state_dict"])
        if plain:
            # One call that cannot fail halfway. Ctrl-C comes before or after it; the versions tell _put_back which.
            _copy(list(current.values()), [saved[key] for key in current])
            undo.pop_all()
            return
        before, bare = model.state_dict(), bare_names(model)
        for key, value in before.items():
            before[key] = value.to("cpu", copy=True) if isinstance(value, torch.Tensor) else copy.deepcopy(value)
            if isinstance(value, torch.Tensor) and bare.get(key, key) in current:
                undo.callback(_copy, [current[bare.get(key, key)]], [before[key]])
        undo.callback(model.load_state_dict, before)
        by_key = {key: saved[bare.get(key, key)] for key in before if bare.get(key, key) in current}
        # A module with its own way of loading may keep what it is given, and the file will not stay mapped.
        options = {} if len(by_key) == len(before) else {"strict": False}  # not every model's own way takes options
        model.load_state_dict(by_key if usual else copy.deepcopy(by_key), **options)
        undo.pop_all()


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
                f"optimizer: expected the options {missing} in group {number}, found none; build it and its scheduler "
                "as they were when the file was saved"
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


def _describe(value: Any) -> str:
    """Return the shape and dtype of a tensor, or the type of anything else."""
    return f"shape {tuple(value.shape)} of {value.dtype}" if isinstance(value, torch.Tensor) else type(value).__name__


def _describe_all(state: Mapping[str, Any]) -> dict[str, str]:
    """Describe each entry of a state; what a module keeps as extra state is its own business."""
    return {key: "extra" if key.endswith("_extra_state") else _describe(value) for key, value in state.items()}


def _check_same(file: Path, part: str, expected: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise if one side lacks a key, or at the first one at which the two differ."""
    remedy = f"build the {part} as it was when the file was saved"
    missing = [key for key in expected if key not in found]
    surplus = [key for key in found if key not in expected]
    if missing or surplus:
        lists = f"expected and not found: {_some(missing)}; found and not expected: {_some(surplus)}"
        raise CheckpointError(f"{file}: {part}: {lists}; {remedy}")
    for key, value in expected.items():
        if found[key] != value:
            raise CheckpointError(f"{file}: {part}: {key!r}: expected {value}, found {found[key]}; {remedy}")


def _some(keys: list[str]) -> str:
    """List the first keys and count the rest."""
    return ", ".join(map(repr, keys[:3])) + (f" and {len(keys) - 3} more" if keys[3:] else "") or "nothing"
