"""Operations: what PyTorch's own schemas say of each, and what it costs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch.utils.flop_counter import flop_registry

__all__ = ["CPU", "Call", "Operation", "bytes_touched", "flops", "operation", "storage_of", "tensors_in"]

CPU = torch.device("cpu")
aten = torch.ops.aten
_READS = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_FREE = ("empty", "new_empty", "resize", "set_", "record_stream", "lift_fresh", "is_same_size")
_INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index", "_unsafe_index_put")
_NUMBERS_READ = ("fill_", "linspace", "logspace")
# Operations that take no CPU scalar beside tensors on a device: they are not element by element.
_STRICT = ("addmm", "addmv", "baddbmm", "cat", "embedding", "gather", "index_select", "nextafter", "scatter", "stack")


@dataclass
class Call:
    """A call that is under way.

    Attributes:
        func: what is called.
        args: its arguments.
        kwargs: its keyword arguments.
        target: the device that it names, if it names one.
    """

    func: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    target: torch.device | None = None

    @cached_property
    def tensors(self) -> list[torch.Tensor]:
        """The tensors among the arguments."""
        return tensors_in((*self.args, *self.kwargs.values()))

    @cached_property
    def op(self) -> "Operation":
        """What its schema says, where one of torch's operations is called."""
        return operation(self.func)

    def run(self) -> Any:
        """Make the call."""
        return self.func(*self.args, **self.kwargs)


# Attention on the CPU goes by names of its own.
_COUNTED_AS = {
    aten._scaled_dot_product_flash_attention_for_cpu: aten._scaled_dot_product_flash_attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: aten._scaled_dot_product_flash_attention_backward,
}
# Lengths are read by the host.
_ON_HOST = {
    "_pack_padded_sequence": ("lengths",),
    "_pack_padded_sequence_backward": ("batch_sizes",),
}
_RESULTS_ON_HOST = {"_pack_padded_sequence": (1,)}


@dataclass(frozen=True)
class Operation:
    """What is the same for every call of an operation.

    Attributes:
        name: its name, such as ``mm``.
        is_free: it starts no work on a device: a view, or an allocation.
        reads: the host has to wait for its result: a number, or a size that depends on values.
        may_read: the host may have to wait for it, for its result or for a number that it needs.
        is_indexing: its indices may be on the CPU.
        is_foreach: it works through lists of tensors, position by position.
        is_strict: it does not take a CPU scalar beside tensors on a device.
        may_resize: it may give an argument another size.
        written: the numbers and names of the arguments that it writes to.
        on_host: the numbers and names of the arguments that it takes from the CPU, such as lengths.
        results_on_host: the numbers of the results that it leaves on the CPU.
        count_flops: counts its floating-point operations; None where there are none to count.
    """

    name: str
    is_free: bool
    reads: bool
    may_read: bool
    is_indexing: bool
    is_foreach: bool
    is_strict: bool
    may_resize: bool
    written: frozenset[int | str]
    on_host: frozenset[int | str]
    results_on_host: tuple[int, ...]
    count_flops: Callable[..., int] | None


@cache
def operation(func: Any) -> Operation:
    """Look an operation up in its schema."""
    schema, packet, name = func._schema, func.overloadpacket, func.overloadpacket.__name__
    is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in schema.returns)
    arguments = list(enumerate(schema.arguments))
    writes = [(i, a.name) for i, a in arguments if a.alias_info is not None and a.alias_info.is_write]
    hosted = [(i, a.name) for i, a in arguments if a.name in _ON_HOST.get(name, ())]
    reads = (not _READS.isdisjoint(func.tags) and name not in _INDEXING) or name in ("allclose", "_linalg_check_errors")
    return Operation(
        name=name,
        is_free=is_view or name.startswith(_FREE),
        reads=reads,
        may_read=reads or name in _INDEXING or name in _NUMBERS_READ,
        is_indexing=name in _INDEXING,
        is_foreach="_foreach_" in name or name.startswith(("_fused_ada", "_fused_sgd")),
        is_strict=name.startswith(_STRICT),
        may_resize=name.startswith("resize") or any(a.is_out for _, a in arguments),
        written=frozenset(key for pair in writes for key in pair),
        on_host=frozenset(key for pair in hosted for key in pair),
        results_on_host=_RESULTS_ON_HOST.get(name, ()),
        count_flops=flop_registry.get(_COUNTED_AS.get(packet, packet)),
    )


def tensors_in(value: Any) -> list[torch.Tensor]:
    """Return the tensors in arguments: bare, in lists, in tuples, in dicts."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if not isinstance(value, list | tuple):
        return []
    found = []
    for item in value:
        if isinstance(item, torch.Tensor):
            found.append(item)
        elif isinstance(item, list | tuple | dict):
            found += tensors_in(item)
    return found


def flops(call: Call, out: Any) -> int:
    """Count floating-point operations as :mod:`torch.utils.flop_counter` does: products and convolutions, else 0."""
    count = call.op.count_flops
    return count(*call.args, **call.kwargs, out_val=out) if count else 0


def bytes_touched(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of the tensors that go in and come out, each counted as often as it is there."""
    total = 0
    for tensor in tensors:
        storage = storage_of(tensor)
        if storage is not None:
            total += min(tensor.numel() * tensor.element_size(), storage.nbytes())  # less where it is expanded
    return total


def storage_of(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """Return the memory that a tensor uses, also inside ``torch.func.vmap`` and ``grad``; None if it is sparse."""
    try:
        return tensor.untyped_storage()
    except ValueError:  # a lazy parameter
        with torch._C.DisableTorchFunctionSubclass():
            return tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return storage_of(torch._C._functorch.get_unwrapped(tensor))
        return None
