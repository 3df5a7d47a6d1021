"""Patches: what torch.cuda and its kin answer inside a block, in the block's thread and no other."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import torch

from ..._current_machine import current_machine
from ..hardware import Hardware
from . import cuda_api, cuda_streams, data_parallel, generators, old_types  # noqa: F401  # they register their answers
from .cuda_api import HARMLESS
from .handler import ANSWERS, Answer, not_covered

__all__ = ["FRONT_DOORS", "installed", "refusals"]

_lock = threading.Lock()
_blocks = 0  # how many are open, in all threads
FRONT_DOORS = (torch.cuda, torch.accelerator)
_INHERITED = object()
_replaced: list[tuple[Any, str, Any, Any]] = []


@contextmanager
def installed() -> Iterator[None]:
    """Put the stand-ins in, unless another block has; the last block to end takes them out."""
    global _blocks
    with _lock:
        if _blocks == 0:
            _put_in()
        _blocks += 1
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if _blocks == 0:
                _take_out()


def _put_in() -> None:
    for owner, name, answer in [*refusals(), *ANSWERS]:
        original = getattr(owner, name, None)
        if original is None and owner is torch._C:
            original = _absent(name)  # a build for the CPU lacks what torch's own Python calls on a device
        if original is not None:  # else this version of torch does not have it
            stand_in = answer if isinstance(answer, type) else _in_this_thread(original, answer)
            kept = vars(owner).get(name, _INHERITED)  # a staticmethod, where it is one
            setattr(owner, name, staticmethod(stand_in) if isinstance(kept, staticmethod) else stand_in)
            _replaced.append((owner, name, kept, stand_in))
    torch.serialization.register_package(0, _tag, _restore)


def _take_out() -> None:
    while _replaced:
        owner, name, kept, stand_in = _replaced.pop()
        if getattr(owner, name) is stand_in:  # else the program has put something of its own there
            delattr(owner, name)
            if kept is not _INHERITED:
                setattr(owner, name, kept)
    registry = torch.serialization._package_registry
    registry[:] = [entry for entry in registry if entry[1] is not _tag]


def _in_this_thread(original: Answer, answer: Answer) -> Answer:
    @functools.wraps(original)
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        machine = current_machine()
        return original(*args, **kwargs) if machine is None else answer(machine, *args, **kwargs)

    return stand_in


def _absent(name: str) -> Answer:
    def absent(*_: Any, **__: Any) -> Any:
        raise AttributeError(f"module 'torch._C' has no attribute {name!r}")

    return absent


def refusals() -> Iterator[tuple[Any, str, Answer]]:
    """Yield an error for each function of torch.cuda and torch.accelerator that has no answer."""
    answered = {(owner, name) for owner, name, _ in ANSWERS}
    for owner in FRONT_DOORS:
        for name in owner.__all__:
            is_function = isinstance(getattr(owner, name, None), FunctionType)
            if is_function and name not in HARMLESS and (owner, name) not in answered:
                yield owner, name, _refusal(f"{owner.__name__}.{name}")


def _refusal(name: str) -> Answer:
    def refuse(machine: Hardware, *_: Any, **__: Any) -> Any:
        raise not_covered(name, f"{machine.device_count} pretended devices have nothing of the kind")

    return refuse


def _tag(storage: Any) -> str | None:
    """Tell ``torch.save`` where a storage is, as a real device's storage would."""
    machine: Any = current_machine()
    device = None if machine is None else machine.places.of_storage(storage)
    if device is None or device.type == "cpu":
        return None
    machine.ledger.enter_read(device, storage.nbytes())
    return str(device)


def _restore(storage: Any, location: str) -> Any:
    """Put a storage that ``torch.load`` has read where its file, or ``map_location``, says."""
    machine: Any = current_machine()
    if machine is None or not location.startswith("cuda"):
        return None
    named = torch.serialization._validate_device(location, "cuda")  # type: ignore[no-untyped-call]
    device = machine.resolve(named)
    machine.places.put_storage(storage, device)
    machine.ledger.enter_copy(torch.device("cpu"), device, storage.nbytes(), wait=True)
    return storage
