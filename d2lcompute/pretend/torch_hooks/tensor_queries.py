"""Questions: how a tensor is asked where it is, and for its values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from ..host_reads import NUMBERS
from ..operations import Call
from ..placement import CPU
from .device_copies import to
from .python_bodies import run_seen

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["QUESTIONS", "Spelling", "Tensor", "is_cuda", "not_covered"]

Tensor: Any = torch.Tensor  # Any: type stubs do not know that properties have __get__
Spelling = Callable[["Machine", Call], Any]


def not_covered(name: str, advice: str) -> NotImplementedError:
    """Return the error for what a pretended machine cannot do as a real one does."""
    return NotImplementedError(f"{name} is not covered by pretend_gpus: {advice}")


def _device(machine: "Machine", call: Call) -> torch.device:
    real: torch.device = Tensor.device.__get__(call.args[0])
    return machine.places.of(call.args[0]) if real == CPU else real


def is_cuda(machine: "Machine", call: Call) -> bool:
    """Return whether the first argument of a call is on a pretended device."""
    return _device(machine, call).type == "cuda"


def _is_cpu(machine: "Machine", call: Call) -> bool:
    return _device(machine, call).type == "cpu"


def _get_device(machine: "Machine", call: Call) -> int:
    index = _device(machine, call).index
    return -1 if index is None else index


def _type(machine: "Machine", call: Call) -> Any:
    wanted = call.args[1] if len(call.args) > 1 else call.kwargs.get("dtype")
    if isinstance(wanted, str) and wanted.startswith("torch.cuda."):
        raise not_covered(f"Tensor.type({wanted!r})", 'say where with .to("cuda"), and of which dtype with .to(dtype)')
    answer = call.run()
    return answer.replace("torch.", "torch.cuda.", 1) if wanted is None and is_cuda(machine, call) else answer


def _is_pinned(machine: "Machine", call: Call) -> bool:
    return machine.places.is_pinned(call.args[0])


def _make_device(machine: "Machine", call: Call) -> torch.device:
    if len(call.args) == 1 and isinstance(call.args[0], int) and machine.device_count:
        return torch.device("cuda", call.args[0])
    made: torch.device = call.run()
    return made


def _numpy(machine: "Machine", call: Call) -> Any:
    tensor, device = call.args[0], machine.places.of(call.args[0])
    if device == CPU:
        return call.run()
    if call.kwargs.get("force"):
        return to(machine, tensor.detach(), {"device": CPU}).numpy()
    raise TypeError(
        f"can't convert {device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
    )


def _tolist(machine: "Machine", call: Call) -> Any:
    machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].nbytes)
    return call.run()


def _number(machine: "Machine", call: Call) -> Any:
    before = machine.host_reads
    number = call.run()
    if machine.host_reads == before:  # torch.Tensor(list) asks for numbers while it has put the mode below aside
        machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].element_size())
    return number


def _repr(machine: "Machine", call: Call) -> Any:
    machine.ledger.enter_read(machine.places.of(call.args[0]), call.args[0].nbytes)
    with machine.ledger.closed():
        return run_seen(machine.calls, call)


def _export(name: str) -> Spelling:
    def export(machine: "Machine", call: Call) -> Any:
        if is_cuda(machine, call):
            raise not_covered(f"Tensor.{name}", "the memory is the CPU's; copy the tensor with .cpu() first")
        return call.run()

    return export


QUESTIONS: dict[Callable[..., Any], Spelling] = {
    Tensor.device.__get__: _device,
    Tensor.is_cuda.__get__: is_cuda,
    Tensor.is_cpu.__get__: _is_cpu,
    Tensor.get_device: _get_device,
    torch.get_device: _get_device,
    torch.device: _make_device,
    Tensor.type: _type,
    Tensor.is_pinned: _is_pinned,
    Tensor.numpy: _numpy,
    Tensor.__array__: _numpy,
    Tensor.tolist: _tolist,
    **dict.fromkeys(NUMBERS, _number),
    Tensor.__repr__: _repr,
    Tensor.__dlpack__: _export("__dlpack__"),
    Tensor.__dlpack_device__: _export("__dlpack_device__"),
    Tensor.__cuda_array_interface__.__get__: _export("__cuda_array_interface__"),
}
