"""Modes: how a machine sees a program, from above (calls of torch) and from below (operations that are computed)."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..operations import Call, operation, storage_of, tensors_in
from ..placement import CPU
from .autocast import cast_arguments
from .device_copies import move
from .python_bodies import unguarded
from .tensor_moves import SPELLINGS, named_device

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["Calls", "Operations"]

# Functions that take a CPU scalar beside tensors on a device, and give it a gradient.
_MIXING = {
    *("add", "sub", "mul", "div", "pow", "rsub", "subtract", "multiply", "divide", "true_divide", "where", "lerp"),
    *("maximum", "minimum", "__add__", "__sub__", "__mul__", "__truediv__", "__pow__"),
    *("__radd__", "__rsub__", "__rmul__", "__rtruediv__", "__rpow__"),
}


class Calls(TorchFunctionMode):
    """Sees each call of a torch function or tensor method: where devices are named, asked for and answered.

    Args:
        machine: the machine that answers.
    """

    def __init__(self, machine: "Machine") -> None:
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
        if (spelling := SPELLINGS.get(func)) is not None:
            return spelling(machine, call)
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
            call = replace(call, args=_lift_scalars(machine, call.args))
        with machine.places.calling(call):
            return call.run()

    def _run_seen(self, body: Callable[..., Any], call: Call) -> Any:
        """Run a function that torch writes in Python, and see what it calls, but for itself under the same name."""
        outer, self._running = self._running, call.func
        try:
            with self:
                return body(*call.args, **call.kwargs)
        finally:
            self._running = outer


class Operations(TorchDispatchMode):
    """Sees each operation that is computed, in forward and backward: where results land, and what they cost.

    Args:
        machine: the machine that it is computed on.
    """

    def __init__(self, machine: "Machine") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.machine = machine

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the first operation the seconds that importing the compiler takes."""
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute on the CPU; the result belongs to the device that its operands are on."""
        call = Call(func, args, kwargs or {})
        if not self.machine.is_current:
            return call.run()
        with torch._C.DisableTorchFunction():
            if not all(map(self.machine.places.is_real, call.tensors)):
                return call.run()
            return (_run_lists if operation(func).is_foreach else _run)(self.machine, call)


def _run(machine: "Machine", call: Call) -> Any:
    places, inputs = machine.places, call.tensors
    device = places.device_for(call)
    if device not in (None, CPU) and call.kwargs.get("generator") is not None:
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if operation(call.func).name == "set_" and len(call.args) > 1:
        places.check_set(call)
    before = {id(s): s for s in map(storage_of, inputs) if s is not None}  # kept, to tell a result's memory from theirs
    out = call.run()
    op = operation(call.func)
    for i, result in enumerate(tensors_in(out)):
        if id(storage_of(result)) not in before and op.name != "set_":
            places.put(result, CPU if i in op.results_on_host else device)
    if device is not None:
        places.settle(inputs, device)
        machine.ledger.enter_operation(call, device, out)
    return out


def _run_lists(machine: "Machine", call: Call) -> Any:
    """Run an operation on lists of tensors: on a real machine each device's share is an operation of its own."""
    length = next(len(arg) for arg in call.args if isinstance(arg, list | tuple))
    shares: dict[torch.device, list[torch.Tensor]] = {}
    devices = []
    for i in range(length):
        row = tuple(a[i] if isinstance(a, list | tuple) and len(a) == length else a for a in call.args)
        devices.append(machine.places.common(replace(call, args=row)) or CPU)
        shares.setdefault(devices[-1], []).extend(tensors_in(row))
    out = call.run()
    for device, result in zip(devices, out or (), strict=False):
        machine.places.put(result, device)
        shares[device].append(result)
    for device, tensors in shares.items():
        machine.places.settle(tensors, device)
        machine.ledger.enter_share(operation(call.func), device, tensors)
    return out


def _lift_scalars(machine: "Machine", args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Put a CPU scalar that wants a gradient on the device of its partners, so that the gradient comes back to it."""
    lifted = [isinstance(a, torch.Tensor) and a.requires_grad and a.dim() == 0 for a in args]
    if not any(lifted):
        return args
    partners = {machine.places.of(a) for a in args if isinstance(a, torch.Tensor)} - {CPU}
    if len(partners) != 1:
        return args
    (device,) = partners
    return tuple(move(machine, a, device, is_free=True) if lift else a for a, lift in zip(args, lifted, strict=True))
