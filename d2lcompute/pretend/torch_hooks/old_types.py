"""Old types: ``torch.cuda.FloatTensor`` and its kin, with which programs named a device before ``torch.device``."""

from typing import Any

import torch

from ..._current_machine import current_machine
from ..hardware import Hardware
from ..operations import CPU
from .handler import answers

__all__ = ["OldType"]


class OldType(type):
    """The class of the stand-ins: what one of them makes is on the current device, and an instance is what is on any.

    Attributes:
        original: the class of torch that a stand-in has the place of.
        dtype: the dtype of its tensors.
    """

    original: Any
    dtype: torch.dtype

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a tensor of a size, or of a list of numbers."""
        machine: Any = current_machine()
        if machine is None:
            return cls.original(*args, **kwargs)
        return _made(machine, getattr(torch, cls.__name__)(*args, **kwargs), is_data=any(map(_is_data, args)))

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, torch.Tensor) and instance.type() == f"torch.cuda.{cls.__name__}"


def _made(machine: Hardware, tensor: torch.Tensor, *, is_data: bool) -> torch.Tensor:
    device = machine.accelerator()
    machine.places.put(tensor, device)
    if is_data:
        machine.ledger.enter_copy(CPU, device, tensor.nbytes, wait=True)
    return tensor


def _is_data(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and not isinstance(argument, torch.Size)


for _name in sorted(name for name in vars(torch.cuda) if name.endswith("Tensor")):
    _original = getattr(torch.cuda, _name)
    _own = {"original": _original, "dtype": _original.dtype, "__module__": "torch.cuda"}
    answers(torch.cuda, _name)(OldType(_name, (), _own))
