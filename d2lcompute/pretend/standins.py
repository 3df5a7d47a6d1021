"""Stand-ins: what torch.cuda and torch.accelerator answer inside a block, in its thread and no other."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from .. import devices

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["installed"]

CPU = torch.device("cpu")
_lock = threading.Lock()
_undo: list[tuple[Any, str, Any, Any]] = []
_users = 0


def _index(machine: "Machine", device: Any = None) -> int:
    where = machine.resolve("cuda" if device is None else device)
    if where is None or where.index is None:
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return where.index


def _set_device(machine: "Machine", device: Any) -> None:
    machine.current_index = _index(machine, device)


def _exchange(machine: "Machine", index: int) -> int:
    before = machine.current_index
    if index >= 0:
        _set_device(machine, index)
    return before if index >= 0 else -1


def _properties(machine: "Machine", device: Any = None) -> SimpleNamespace:
    _index(machine, device)
    major, minor = machine.card.capability
    return SimpleNamespace(name=_name(machine), total_memory=machine.card.memory_bytes, major=major, minor=minor)


def _name(machine: "Machine", device: Any = None) -> str:
    _index(machine, device)
    return f"{machine.card.name} (pretended)"


def _capability(machine: "Machine", device: Any = None) -> tuple[int, int]:
    _index(machine, device)
    return machine.card.capability


class _Stream:
    """A device's only queue. torch's optimizers ask it whether a graph is being captured."""

    def __init__(self, machine: "Machine", device: Any = None) -> None:
        self.machine, self.device = machine, machine.devices[_index(machine, device)]

    def is_capturing(self) -> bool:
        return False

    def synchronize(self) -> None:
        self.machine.synchronize(self.device)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"Stream.{name} is not covered by pretend_gpus: each device has one queue")


_COUNT: Callable[..., Any] = lambda machine: machine.device_count  # noqa: E731
_ANSWERS: dict[tuple[Any, str], Callable[..., Any]] = {
    (torch.cuda, "is_available"): lambda machine: machine.device_count > 0,
    (torch.cuda, "is_initialized"): lambda machine: machine.device_count > 0,
    (torch.cuda, "device_count"): _COUNT,
    (torch.cuda, "current_device"): _index,
    (torch.cuda, "set_device"): _set_device,
    (torch.cuda, "_exchange_device"): _exchange,
    (torch.cuda, "_maybe_exchange_device"): _exchange,
    (torch.cuda, "synchronize"): lambda machine, device=None: machine.synchronize(device),
    (torch.cuda, "current_stream"): _Stream,
    (torch.cuda, "default_stream"): _Stream,
    (torch.cuda, "is_current_stream_capturing"): lambda _: False,
    (torch.cuda, "get_device_name"): _name,
    (torch.cuda, "get_device_properties"): _properties,
    (torch.cuda, "get_device_capability"): _capability,
    (torch.accelerator, "is_available"): lambda machine: machine.device_count > 0,
    (torch.accelerator, "device_count"): _COUNT,
    (torch.accelerator, "current_accelerator"): lambda machine, *_, **__: (
        torch.device("cuda") if machine.device_count else None
    ),
    (torch.accelerator, "current_device_index"): _index,
    (torch.accelerator, "set_device_index"): _set_device,
    (torch.accelerator, "current_stream"): _Stream,
    (torch.accelerator, "synchronize"): lambda machine, device=None: machine.synchronize(device),
    (torch.backends.cudnn, "is_acceptable"): lambda *_: False,
}


@contextmanager
def installed() -> Iterator[None]:
    """Put the stand-ins in, unless another block has; the last block to end takes them out."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _put_in()
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _take_out()


def _put_in() -> None:
    for (owner, name), answer in _ANSWERS.items():
        original = getattr(owner, name, None)
        if original is not None:
            stand_in = _in_this_thread(original, answer)
            _undo.append((owner, name, original, stand_in))
            setattr(owner, name, stand_in)


def _take_out() -> None:
    while _undo:
        owner, name, original, stand_in = _undo.pop()
        if getattr(owner, name) is stand_in:
            setattr(owner, name, original)


def _in_this_thread(original: Callable[..., Any], answer: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        machine = devices._pretended()
        return original(*args, **kwargs) if machine is None else answer(machine, *args, **kwargs)

    return stand_in
