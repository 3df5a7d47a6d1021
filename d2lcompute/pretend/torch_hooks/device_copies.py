"""Moves: from one pretended device to another, and the gradient's way back."""

from typing import Any

import torch

from ..hardware import Hardware
from ..operations import Call

__all__ = ["ToCopy", "move", "parse_to", "to"]

_AFTER_DEVICE = ("device", "dtype", "non_blocking", "copy")
_AFTER_DTYPE = ("dtype", "non_blocking", "copy")
_AFTER_OTHER = ("other", "non_blocking", "copy")


def parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Name the arguments of ``Tensor.to``, in each of its spellings.

    Example:
        >>> parse_to(("cuda:1", torch.float64), {})
        {'device': 'cuda:1', 'dtype': torch.float64}
    """
    names: tuple[str, ...] = _AFTER_DEVICE
    if args and isinstance(args[0], torch.dtype):
        names = _AFTER_DTYPE
    elif args and isinstance(args[0], torch.Tensor):
        names = _AFTER_OTHER
    return dict(zip(names, args, strict=False)) | kwargs


def to(machine: Hardware, tensor: Any, given: dict[str, Any]) -> Any:
    """Do what ``Tensor.to`` does with arguments that :func:`parse_to` has named."""
    if (other := given.pop("other", None)) is not None:
        given = {"device": machine.places.of(other), "dtype": other.dtype} | given
    named, source = given.pop("device", None), machine.places.of(tensor)
    target = source if named is None else machine.resolve(named)
    if target is None:
        return tensor.to("meta", **given)
    if target == source:
        return tensor.to(**given) if given else tensor
    given.pop("copy", None)  # it is a copy in any case
    non_blocking = given.pop("non_blocking", False)
    return move(machine, tensor.to(**given) if given else tensor, target, non_blocking=non_blocking)


def move(
    machine: Hardware, tensor: torch.Tensor, target: torch.device, *, non_blocking: bool = False, is_free: bool = False
) -> torch.Tensor:
    """Return a copy of a tensor on another device; gradients go the way back. A free copy takes no time."""
    if machine.places.of(tensor) == target:
        return tensor
    with torch._C.DisableTorchFunctionSubclass():  # a lazy parameter refuses to be cloned
        if tensor.requires_grad and torch.is_grad_enabled():
            moved: torch.Tensor = ToCopy.apply(tensor, machine, target, non_blocking, is_free)  # type: ignore[no-untyped-call]
            return moved
        return _copied(machine, tensor.detach(), target, non_blocking, is_free)


class ToCopy(torch.autograd.Function):
    """The copy as autograd sees it: an identity whose gradient is copied back."""

    @staticmethod
    def forward(
        ctx: Any, tensor: torch.Tensor, machine: Hardware, target: torch.device, non_blocking: bool, is_free: bool
    ) -> torch.Tensor:
        """Copy to the target."""
        ctx.machine, ctx.source = machine, machine.places.of(tensor)
        return _copied(machine, tensor, target, non_blocking, is_free)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None, None]:
        """Copy the gradient to where the tensor came from."""
        return move(ctx.machine, grads[0], ctx.source), None, None, None, None


def _copied(
    machine: Hardware, tensor: torch.Tensor, target: torch.device, non_blocking: bool, is_free: bool
) -> torch.Tensor:
    source = machine.places.of(tensor)
    cloning = Call(torch.clone, (tensor,), {}, target)
    with machine.ledger.closed(), machine.places.calling(cloning), torch._C.DisableTorchFunction():
        copy = tensor.clone()
        machine.places.put(copy, target)  # for a copy that is made while another machine's block is open
    if not is_free:
        pinned = target.type == "cpu" or machine.places.is_pinned(tensor)
        machine.ledger.enter_copy(source, target, copy.nbytes, wait=not (non_blocking and pinned))
    if non_blocking and target.type == "cpu":
        machine.places.pin(copy)
    return copy
