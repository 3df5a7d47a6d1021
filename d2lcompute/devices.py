"""Devices: which accelerators this machine has, and how to wait for them."""

import os

import torch

from ._arguments import checked_integer
from ._current_machine import current_machine
from ._translation import N_, tr

__all__ = ["cpu", "gpu", "num_gpus", "synchronize", "try_all_gpus", "try_gpu"]

_VARIABLE = "D2LCOMPUTE_DEVICE"


def cpu() -> torch.device:
    """Return the CPU as a device.

    Example:
        >>> cpu()
        device(type='cpu')

    Source:
        Book zh 5.6.1 / en 6.7.1.
    """
    return torch.device("cpu")


def gpu(i: int = 0) -> torch.device:
    """Return the ``i``-th accelerator as a device, whether or not this machine has it.

    The device's type is that of the machine's accelerator (``cuda``, ``mps``, ``xpu``), and ``cuda`` where there
    is none, so that code can be written before the hardware is there. Use :func:`try_gpu` to get a device that works.

    Args:
        i: the accelerator's number, counted from 0.

    Raises:
        TypeError: if ``i`` is no integer.
        ValueError: if ``i`` is negative.

    Example:
        >>> gpu(1).index
        1

    Source:
        Book zh 5.6.1 / en 6.7.1.
    """
    return torch.device(_accelerator_type() or "cuda", _checked_index(i))


def num_gpus() -> int:
    """Count the accelerators that work on this machine: 0 on a laptop without one.

    ``D2LCOMPUTE_DEVICE=cpu`` in the environment hides them all.

    Raises:
        ValueError: if ``D2LCOMPUTE_DEVICE`` is set to anything but ``cpu`` or ``auto``.

    Example:
        >>> num_gpus() >= 0
        True

    Source:
        Book zh 5.6.1 / en 6.7.1.
    """
    if (machine := current_machine()) is not None:
        return machine.device_count
    return torch.accelerator.device_count() if _accelerator_type() else 0


def try_gpu(i: int = 0) -> torch.device:
    """Return the ``i``-th accelerator if this machine has it, else the CPU.

    Args:
        i: the accelerator's number, counted from 0.

    Raises:
        TypeError: if ``i`` is no integer.
        ValueError: if ``i`` is negative.

    Example:
        >>> try_gpu(1000)
        device(type='cpu')

    Source:
        Book zh 5.6.1 / en 6.7.1.
    """
    return gpu(i) if _checked_index(i) < num_gpus() else cpu()


def try_all_gpus() -> list[torch.device]:
    """Return every accelerator of this machine, or ``[cpu()]`` if it has none: never an empty list.

    Example:
        >>> len(try_all_gpus()) == max(num_gpus(), 1)
        True

    Source:
        Book zh 5.6.1 / en 6.7.1; its code returns ``[]`` without an accelerator, its docstring promises ``[cpu()]``.
    """
    return [gpu(i) for i in range(num_gpus())] or [cpu()]


def synchronize(device: torch.device | str | int | None = None) -> None:
    """Wait until a device has finished what it was given; do nothing where there is nothing to wait for.

    A call on an accelerator launches a kernel and returns at once. A clock that is read before the kernel has finished
    tells the time of the launch.

    Args:
        device: the device to wait for; by default the current accelerator. The CPU needs no waiting.

    Example:
        >>> synchronize()
        >>> synchronize("cpu")
    """
    if isinstance(device, str | torch.device) and torch.device(device).type in ("cpu", "meta"):
        return
    if (machine := current_machine()) is not None:
        machine.synchronize(device)
    elif torch.accelerator.is_available():
        torch.accelerator.synchronize(device)


def _checked_index(i: int) -> int:
    """Return ``i`` as an integer that may number a device."""
    return checked_integer("i", i, minimum=0, meaning=N_("the number of an accelerator, counted from 0"))


def _accelerator_type() -> str | None:
    """Return the type of the accelerators that may be used, such as ``cuda``, or None without any."""
    if current_machine() is not None:
        return "cuda"
    choice = os.environ.get(_VARIABLE, "auto").strip().lower()
    if choice not in ("", "auto", "cpu"):
        raise ValueError(
            tr(
                "the environment variable {variable} must be 'cpu' (hide the accelerators) or 'auto' (use what is "
                "there, as when it is not set); got {choice!r}",
                variable=_VARIABLE,
                choice=choice,
            )
        )
    if choice == "cpu" or not torch.accelerator.is_available():
        return None
    accelerator = torch.accelerator.current_accelerator()
    return accelerator.type if accelerator else None
