"""Answers: what each function of torch.cuda, torch.accelerator and a few others says for a pretended machine."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from .tensor_queries import not_covered

if TYPE_CHECKING:
    from ..machine import Machine

__all__ = ["ANSWERS", "HARMLESS"]


def _index(machine: "Machine", device: Any = None) -> int:
    where = machine.resolve("cuda" if device is None else device)
    if where is None or where.index is None:
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return where.index


def _set_device(machine: "Machine", device: Any) -> None:
    machine.current_index = _index(machine, device)


def _exchange(machine: "Machine", index: int) -> int:
    before = machine.current_index
    if index < 0:
        return -1
    _set_device(machine, index)
    return before


def _name(machine: "Machine", device: Any = None) -> str:
    _index(machine, device)
    return f"{machine.card.name} (pretended)"


def _properties(machine: "Machine", device: Any = None) -> SimpleNamespace:
    card, (major, minor) = machine.card, machine.card.capability
    return SimpleNamespace(
        name=_name(machine, device),
        total_memory=card.memory_bytes,
        multi_processor_count=card.multiprocessors,
        major=major,
        minor=minor,
    )


def _capability(machine: "Machine", device: Any = None) -> tuple[int, int]:
    _index(machine, device)
    return machine.card.capability


def _any(machine: "Machine") -> bool:
    return machine.device_count > 0


def _count(machine: "Machine") -> int:
    return machine.device_count


def _accelerator(machine: "Machine", check_available: bool = False) -> torch.device | None:  # noqa: ARG001
    return torch.device("cuda") if machine.device_count else None


def _synchronize(machine: "Machine", device: Any = None) -> None:
    machine.synchronize(device)


def _no(*_: Any) -> bool:
    return False


def _nothing(*_: Any) -> None:
    return None


class _Stream:
    """A device's only queue. torch's optimizers ask it whether a graph is being captured."""

    is_capturing = _no

    def __init__(self, machine: "Machine", device: Any = None) -> None:
        self.machine, self.device = machine, machine.devices[_index(machine, device)]

    def synchronize(self) -> None:
        self.machine.synchronize(self.device)

    def __getattr__(self, name: str) -> Any:
        raise not_covered(f"Stream.{name}", "each device has one queue")


# The pretended devices draw their random numbers from the CPU's generator, so this is the one that is meant.


def _seed(_: "Machine", seed: int) -> None:
    torch.default_generator.manual_seed(seed)


def _rng_state(*_: Any) -> torch.Tensor:
    return torch.get_rng_state()


def _set_rng_state(_: "Machine", state: torch.Tensor, device: Any = None) -> None:  # noqa: ARG001
    torch.set_rng_state(state)


def _rng_states(machine: "Machine") -> list[torch.Tensor]:
    return [torch.get_rng_state() for _ in machine.devices]


def _set_rng_states(_: "Machine", states: list[torch.Tensor]) -> None:
    for state in states:
        torch.set_rng_state(state)


def _seed_anew(_: "Machine") -> None:
    torch.default_generator.seed()


# torch calls these hooks from within an operation, where the mode that answers for devices is taken away.


def _init_hooks(machine: "Machine", hooks: Any, pack_hook: Any, unpack_hook: Any) -> None:
    def seen(hook: Any) -> Any:
        def run(value: Any) -> Any:
            stack = torch.overrides._get_current_function_mode_stack()  # type: ignore[no-untyped-call]
            if not machine.is_current or machine.calls in stack:
                return hook(value)
            with machine.calls:
                return hook(value)

        return run

    hooks.pack_hook, hooks.unpack_hook = seen(pack_hook), seen(unpack_hook)


# What a device cannot do here.


def _new_stream(_: "Machine", cls: type, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG001
    raise not_covered(f"torch.cuda.{cls.__name__}", "each device has one queue, and machine.elapsed_seconds its clock")


def _clear_casts(machine: "Machine") -> None:
    machine.casts.clear()


def _trace(*_: Any, **__: Any) -> Any:
    raise not_covered("torch.jit.trace", "it would record the CPU as each tensor's device; trace outside the block")


def _compile(_: "Machine", model: Any = None, **__: Any) -> Any:
    """Give the program back as it is: it runs, uncompiled."""
    return model if model is not None else lambda later: later


HARMLESS = {"init", "ipc_collect", "get_arch_list", "get_gencode_flags", "check_error"}
ANSWERS: list[tuple[Any, str, Any]] = [
    (torch.cuda, "is_available", _any),
    (torch.cuda, "is_initialized", _any),
    (torch.cuda, "device_count", _count),
    (torch.cuda, "current_device", _index),
    (torch.cuda, "set_device", _set_device),
    (torch.cuda, "_exchange_device", _exchange),
    (torch.cuda, "_maybe_exchange_device", _exchange),
    (torch.cuda, "synchronize", _synchronize),
    (torch.cuda, "current_stream", _Stream),
    (torch.cuda, "default_stream", _Stream),
    (torch.cuda, "is_current_stream_capturing", _no),
    (torch.cuda, "empty_cache", _nothing),
    (torch.cuda, "get_device_name", _name),
    (torch.cuda, "get_device_properties", _properties),
    (torch.cuda, "get_device_capability", _capability),
    (torch.cuda, "is_bf16_supported", lambda machine, *_: torch.bfloat16 in machine.card.flops_per_second),
    (torch.cuda, "is_tf32_supported", lambda machine: machine.card.capability >= (8, 0)),
    (torch.cuda, "manual_seed", _seed),
    (torch.cuda, "manual_seed_all", _seed),
    (torch.cuda, "initial_seed", lambda _: torch.initial_seed()),
    (torch.cuda, "get_rng_state", _rng_state),
    (torch.cuda, "set_rng_state", _set_rng_state),
    (torch.cuda, "get_rng_state_all", _rng_states),
    (torch.cuda, "set_rng_state_all", _set_rng_states),
    (torch.cuda, "seed", _seed_anew),
    (torch.cuda, "seed_all", _seed_anew),
    (torch.cuda.Stream, "__new__", _new_stream),
    (torch.cuda.Event, "__new__", _new_stream),
    (torch.accelerator, "is_available", _any),
    (torch.accelerator, "device_count", _count),
    (torch.accelerator, "current_accelerator", _accelerator),
    (torch.accelerator, "current_device_index", _index),
    (torch.accelerator, "current_device_idx", _index),
    (torch.accelerator, "set_device_index", _set_device),
    (torch.accelerator, "set_device_idx", _set_device),
    (torch.accelerator, "current_stream", _Stream),
    (torch.accelerator, "synchronize", _synchronize),
    (torch.accelerator, "empty_cache", _nothing),
    (torch._C, "_accelerator_exchangeDevice", _exchange),
    (torch._C, "_accelerator_maybeExchangeDevice", _exchange),
    (torch.backends.cudnn, "is_acceptable", _no),
    (torch.autograd.graph.saved_tensors_hooks, "__init__", _init_hooks),
    (torch, "clear_autocast_cache", _clear_casts),
    (torch.jit, "trace", _trace),
    (torch, "compile", _compile),
]
