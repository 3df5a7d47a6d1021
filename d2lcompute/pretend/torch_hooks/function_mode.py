"""Function mode: sees each call of a torch function or tensor method, and answers for the pretended devices."""

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..hardware import Hardware
from ..operations import Call
from ..placement import CPU
from . import tensor_creation, tensor_moves, tensor_queries  # noqa: F401  # they register their handlers
from .autocast import cast_arguments
from .device_copies import move
from .handler import HANDLERS
from .python_bodies import unguarded
from .tensor_creation import named_device

__all__ = ["PretendFunctionMode"]

# Functions that take a CPU scalar beside tensors on a device, and give it a gradient.
_MIXING = {
    *("add", "sub", "mul", "div", "pow", "rsub", "subtract", "multiply", "divide", "true_divide", "where", "lerp"),
    *("maximum", "minimum", "__add__", "__sub__", "__mul__", "__truediv__", "__pow__"),
    *("__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rpow__"),
}


class PretendFunctionMode(TorchFunctionMode):
    """Sees each call of a torch function or tensor method: where devices are named, asked for and answered.

    Args:
        machine: the machine that answers.
    """

    def __init__(self, machine: Hardware) -> None:
        super().__init__()
        self.machine = machine
        self._running: Callable[..., Any] | None = None

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer for the pretended devices, or hand the call on with the CPU in their place."""
        machine, call = self.machine, Call(func, args, kwargs or {})
        if not machine.is_current:
            return call.run()
        if (handler := HANDLERS.get(func)) is not None:
            return handler(machine, call)
        if func is not self._running and (body := unguarded(func)) is not None:
            return self._run_seen(body, call)
        if call.kwargs.get("pin_memory"):
            unpinned = {name: value for name, value in call.kwargs.items() if name != "pin_memory"}
            with self:
                return func(*args, **unpinned).pin_memory()
        if torch.is_autocast_enabled("cuda"):
            call = cast_arguments(call, machine.places, machine.casts)
        if (target := named_device(machine, call, by_default=CPU)) is not None:
            call = Call(func, call.args, call.kwargs | {"device": CPU}, target)
        elif getattr(func, "__name__", "") in _MIXING:
            call = Call(func, _lift_scalars(machine, call.args), call.kwargs)
        with machine.places.calling(call):
            return call.run()

    def _run_seen(self, body: Callable[..., Any], call: Call) -> Any:
        """Run a function that torch writes in Python with its guard off, so that what it calls reaches this mode."""
        outer, self._running = self._running, call.func
        try:
            with self:
                return body(*call.args, **call.kwargs)
        finally:
            self._running = outer


def _lift_scalars(machine: Hardware, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put a CPU scalar that wants a gradient on the device of its partners, so that the gradient comes back to it."""
    lifted = [isinstance(a, torch.Tensor) and a.requires_grad and a.dim() == 0 for a in args]
    if not any(lifted):
        return args
    partners = {machine.places.of(a) for a in args if isinstance(a, torch.Tensor)} - {CPU}
    if len(partners) != 1:
        return args
    (device,) = partners
    return tuple(move(machine, a, device, is_free=True) if lift else a for a, lift in zip(args, lifted, strict=True))
