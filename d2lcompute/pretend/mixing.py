"""Mixing: what PyTorch says where operands are on different devices, operation by operation, in its own words.

Operations that work element by element tell the two devices. All others check their arguments one by one, and name the
first that is not where those before it are, and the function that looked. Which is which, and what the function is
called, stands in the table of operations that PyTorch's own kernels are generated from, and that comes with it.
"""

import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import torch

from .operations import Call, tensors_in

__all__ = ["check_arguments", "check_recurrent", "elementwise_error"]

Find = Callable[[torch.Tensor], torch.device]
aten = torch.ops.aten


def elementwise_error(first: torch.device, second: torch.device) -> RuntimeError:
    """Return what an operation raises that works element by element."""
    return RuntimeError(
        f"Expected all tensors to be on the same device, but found at least two devices, {first} and {second}!"
    )


def check_arguments(call: Call, find: Find) -> None:
    """Raise if an operation that checks its arguments one by one finds one on another device.

    Args:
        call: the operation.
        find: tells where a tensor is.

    Raises:
        RuntimeError: in the words of that operation.
    """
    packet = call.func.overloadpacket  # type: ignore[attr-defined]
    if (special := _SPECIAL.get(packet)) is not None:
        special(call, find)
    elif (method := _method(call.func)) is not None:
        schema = call.func._schema  # type: ignore[attr-defined]
        names = [argument.name for argument in schema.arguments]
        given = dict(zip(names, call.args, strict=False)) | call.kwargs
        outs = [argument.name for argument in schema.arguments if argument.is_out]  # torch looks at these first
        ordered = [*outs, *(name for name in names if name not in outs)]
        _check([(name, given[name]) for name in ordered if name in given], method, find)


def check_recurrent(call: Call, find: Find) -> None:
    """Raise if a recurrent layer's input is not where its hidden state and its parameters are.

    Args:
        call: a call of ``lstm``, ``gru`` or their kin, as ``torch.nn`` makes it.
        find: tells where a tensor is.

    Raises:
        RuntimeError: in the words of these layers.
    """
    is_packed = isinstance(call.args[1], torch.Tensor) and isinstance(call.args[3], list | tuple)
    hidden, parameters = call.args[2:4] if is_packed else call.args[1:3]
    tensor = call.args[0]
    for kind, others in (("hidden", tensors_in(hidden)), ("parameter", tensors_in(parameters))):
        for other in others:
            if find(other) != find(tensor):
                raise RuntimeError(
                    f"Input and {kind} tensors are not at the same device, found input tensor at {find(tensor)} and "
                    f"{kind} tensor at {find(other)}"
                )


def _check(named: list[tuple[str, Any]], method: str, find: Find) -> None:
    """Raise at the first argument that is not where those before it are."""
    common: torch.device | None = None
    for name, value in named:
        for tensor in tensors_in(value):
            device = find(tensor)
            if common is None:
                common = device
            elif device != common:
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but got {name} is on {device}, different from "
                    f"other tensors on {common} (when checking argument in method wrapper_CUDA_{method})"
                )


def _check_mv(call: Call, find: Find) -> None:
    mat, vec = call.args
    _check([("self", vec), ("mat", mat), ("vec", vec)], "addmv_", find)  # its result is made where the vector is


def _check_embedding(call: Call, find: Find) -> None:
    _check([("self", call.args[0]), ("index", call.args[1])], "_index_select", find)


def _check_stack(call: Call, find: Find) -> None:
    _check([("tensors", call.args[0])], "cat", find)


def _check_convolution(call: Call, find: Find) -> None:
    tensor, weight, bias = call.args[:3]
    for name, other in (("weight", weight), ("bias", bias)):
        if other is not None and find(other) != find(tensor):
            if find(tensor).type == "cpu":
                _check([("self", tensor), (name, other)], "__slow_conv2d_forward", find)
            types = [_type_name(each, find) for each in (tensor, other)]
            raise RuntimeError(f"Input type ({types[0]}) and {name} type ({types[1]}) should be the same")


def _check_masked_fill(call: Call, find: Find) -> None:
    tensor, mask = call.args[:2]
    if find(tensor) != find(mask):
        raise RuntimeError(
            f"expected self and mask to be on the same device, but got mask on {find(mask)} and self on {find(tensor)}"
        )


def _check_attention(call: Call, find: Find) -> None:
    query, key, value = map(find, call.args[:3])
    if len({query, key, value}) > 1:
        raise RuntimeError(
            "Expected query, key, and value to have the same device type, but got "
            f"query.device: {query} key.device: {key} and value.device: {value} instead."
        )


_SPECIAL = {
    aten.mv: _check_mv,
    aten.stack: _check_stack,
    aten.embedding: _check_embedding,
    aten.convolution: _check_convolution,
    aten.masked_fill: _check_masked_fill,
    aten.masked_fill_: _check_masked_fill,
    aten._scaled_dot_product_flash_attention_for_cpu: _check_attention,
}


def _type_name(tensor: torch.Tensor, find: Find) -> str:
    with torch._C.DisableTorchFunction():
        name = tensor.type()
    return name.replace("torch.", "torch.cuda.", 1) if find(tensor).type == "cuda" else name


@cache
def _method(func: Any) -> str | None:
    """Return the name of the function that checks an operation's devices, or None if it checks none."""
    name, overload = func._schema.name.removeprefix("aten::"), func._schema.overload_name
    entry = _entries().get(f"{name}.{overload}" if overload else name, "")
    is_structured = "structured" in entry
    if "device_check: NoCheck" in entry or not (is_structured or re.search(r"^ +[\w, ]*\bCUDA\b.*:", entry, re.M)):
        return None
    if any(argument.is_out for argument in func._schema.arguments):
        name += "_out"
    if is_structured:
        return f"{name}_{overload}" if overload else name
    return f"{overload}_{name}"


@cache
def _entries() -> dict[str, str]:
    """Read PyTorch's table of operations: name and overload → its entry as text."""
    path = files("torchgen") / "packaged" / "ATen" / "native" / "native_functions.yaml"
    entries = path.read_text(encoding="utf-8").split("\n- func: ")[1:]
    return {entry.partition("(")[0]: entry for entry in entries}
