"""The CUDA API: what each function of torch.cuda, torch.accelerator and a few others says for a pretended machine."""

from types import SimpleNamespace
from typing import Any

import torch

from ..costs.ledger import OnWait
from ..hardware import Hardware
from .handler import answers, not_covered

__all__ = ["HARMLESS"]

# Functions of torch.cuda that do no harm as they are.
HARMLESS = {"init", "ipc_collect", "get_arch_list", "get_gencode_flags", "check_error", "stream"}
# They ask the functions that are answered below.
HARMLESS |= {"memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"}
HARMLESS |= {"memory_stats", "memory_summary", "memory_cached", "max_memory_cached"}
HARMLESS |= {"reset_max_memory_allocated", "reset_max_memory_cached"}


@answers(torch.cuda, "current_device")
@answers(torch.accelerator, "current_device_index", "current_device_idx")
def _index(machine: Hardware, device: Any = None) -> int:
    index: int = machine.accelerator(device).index
    return index


@answers(torch.cuda, "set_device")
@answers(torch.accelerator, "set_device_index", "set_device_idx")
def _set_device(machine: Hardware, device: Any) -> None:
    machine.current_index = _index(machine, device)


@answers(torch.cuda, "_exchange_device", "_maybe_exchange_device")
@answers(torch._C, "_accelerator_exchangeDevice", "_accelerator_maybeExchangeDevice")
def _exchange(machine: Hardware, index: int) -> int:
    before = machine.current_index
    if index < 0:
        return -1
    _set_device(machine, index)
    return before


@answers(torch.cuda, "get_device_name")
def _name(machine: Hardware, device: Any = None) -> str:
    _index(machine, device)
    return f"{machine.card.name} (pretended)"


@answers(torch.cuda, "get_device_properties")
def _properties(machine: Hardware, device: Any = None) -> SimpleNamespace:
    card, (major, minor) = machine.card, machine.card.capability
    return SimpleNamespace(
        name=_name(machine, device),
        total_memory=card.memory_bytes,
        multi_processor_count=card.multiprocessors,
        major=major,
        minor=minor,
    )


@answers(torch.cuda, "get_device_capability")
def _capability(machine: Hardware, device: Any = None) -> tuple[int, int]:
    _index(machine, device)
    return machine.card.capability


@answers(torch.cuda, "is_available", "is_initialized")
@answers(torch.accelerator, "is_available")
def _any(machine: Hardware) -> bool:
    return machine.device_count > 0


@answers(torch.cuda, "device_count")
@answers(torch.accelerator, "device_count")
def _count(machine: Hardware) -> int:
    return machine.device_count


@answers(torch.accelerator, "current_accelerator")
def _accelerator(machine: Hardware, check_available: bool = False) -> torch.device | None:  # noqa: ARG001
    return torch.device("cuda") if machine.device_count else None


@answers(torch.cuda, "synchronize")
@answers(torch.accelerator, "synchronize")
def _synchronize(machine: Hardware, device: Any = None) -> None:
    machine.synchronize(device)


@answers(torch.cuda, "set_sync_debug_mode")
def _set_sync_debug_mode(machine: Hardware, debug_mode: int | str) -> None:
    modes = {"default": OnWait.IGNORE, "warn": OnWait.WARN, "error": OnWait.RAISE}
    if debug_mode not in (*modes, *modes.values()):
        raise RuntimeError("invalid value of debug_mode, expected one of `default`, `warn`, `error`")
    machine.ledger.on_wait = modes[debug_mode] if isinstance(debug_mode, str) else OnWait(debug_mode)


@answers(torch.cuda, "get_sync_debug_mode")
def _sync_debug_mode(machine: Hardware) -> int:
    return int(machine.ledger.on_wait)


@answers(torch.cuda, "is_current_stream_capturing")
@answers(torch.backends.cudnn, "is_acceptable")
def _no(*_: Any) -> bool:
    return False


@answers(torch.cuda, "is_bf16_supported")
def _computes_bfloat16(machine: Hardware, *_: Any) -> bool:
    return torch.bfloat16 in machine.card.flops_per_second


@answers(torch.cuda, "is_tf32_supported")
def _computes_tf32(machine: Hardware) -> bool:
    return machine.card.capability >= (8, 0)


# The pretended devices draw their random numbers from the CPU's generator, so this is the one that is meant.


@answers(torch.cuda, "initial_seed")
def _initial_seed(_: Hardware) -> int:
    return torch.initial_seed()


@answers(torch.cuda, "manual_seed", "manual_seed_all")
def _seed(_: Hardware, seed: int) -> None:
    torch.default_generator.manual_seed(seed)


@answers(torch.cuda, "get_rng_state")
def _rng_state(*_: Any) -> torch.Tensor:
    return torch.get_rng_state()


@answers(torch.cuda, "set_rng_state")
def _set_rng_state(_: Hardware, state: torch.Tensor, device: Any = None) -> None:  # noqa: ARG001
    torch.set_rng_state(state)


@answers(torch.cuda, "get_rng_state_all")
def _rng_states(machine: Hardware) -> list[torch.Tensor]:
    return [torch.get_rng_state() for _ in machine.devices]


@answers(torch.cuda, "set_rng_state_all")
def _set_rng_states(_: Hardware, states: list[torch.Tensor]) -> None:
    for state in states:
        torch.set_rng_state(state)


@answers(torch.cuda, "seed", "seed_all")
def _seed_anew(_: Hardware) -> None:
    torch.default_generator.seed()


# torch calls these hooks from within an operation, where the mode that answers for devices is taken away.


@answers(torch.autograd.graph.saved_tensors_hooks, "__init__")
def _init_hooks(machine: Hardware, hooks: Any, pack_hook: Any, unpack_hook: Any) -> None:
    def seen(hook: Any) -> Any:
        def run(value: Any) -> Any:
            stack = torch.overrides._get_current_function_mode_stack()  # type: ignore[no-untyped-call]
            if not machine.is_current or machine.calls in stack:
                return hook(value)
            with machine.calls:
                return hook(value)

        return run

    hooks.pack_hook, hooks.unpack_hook = seen(pack_hook), seen(unpack_hook)


# Memory.


@answers(torch.cuda, "empty_cache")
@answers(torch.accelerator, "empty_cache")
def _empty_cache(machine: Hardware) -> None:
    for allocator in machine.allocators.values():
        allocator.release_cached()


@answers(torch.cuda, "memory_stats_as_nested_dict")
@answers(torch.cuda.memory, "memory_stats_as_nested_dict")
@answers(torch._C, "_accelerator_getDeviceStats")
def _memory_stats(machine: Hardware, device: Any = None) -> dict[str, Any]:
    return machine.allocators[machine.accelerator(device)].stats()


@answers(torch._C, "_accelerator_isAllocatorInitialized")
def _has_allocator(machine: Hardware) -> bool:
    return machine.device_count > 0


@answers(torch.cuda, "reset_peak_memory_stats")
@answers(torch.cuda.memory, "reset_peak_memory_stats")
@answers(torch.accelerator, "reset_peak_memory_stats")
def _reset_peaks(machine: Hardware, device: Any = None) -> None:
    machine.allocators[machine.accelerator(device)].reset_peaks()


@answers(torch.cuda, "reset_accumulated_memory_stats")
@answers(torch.cuda.memory, "reset_accumulated_memory_stats")
@answers(torch.accelerator, "reset_accumulated_memory_stats")
def _reset_sums(machine: Hardware, device: Any = None) -> None:
    machine.allocators[machine.accelerator(device)].reset_sums()


@answers(torch.cuda, "mem_get_info")
@answers(torch.accelerator, "get_memory_info")
def _memory_info(machine: Hardware, device: Any = None) -> tuple[int, int]:
    allocator = machine.allocators[machine.accelerator(device)]
    return allocator.capacity_bytes - allocator.reserved_bytes, allocator.capacity_bytes


# What a device cannot do here.


@answers(torch, "clear_autocast_cache")
def _clear_casts(machine: Hardware) -> None:
    machine.casts.clear()


@answers(torch.jit, "trace")
def _trace(*_: Any, **__: Any) -> Any:
    raise not_covered("torch.jit.trace", "it would record the CPU as each tensor's device; trace outside the block")


@answers(torch, "compile")
def _compile(_: Hardware, model: Any = None, **__: Any) -> Any:
    """Give the program back as it is: it runs, uncompiled."""
    return model if model is not None else lambda later: later
