"""The settings of the whole process that an answer may change: known before, put back afterwards."""

import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch

from ..._translation import N_

__all__ = ["SEED", "changed_settings", "kept_settings", "seed_everything"]

SEED = N_("the global seed")


@dataclass(frozen=True)
class _Setting:
    """A setting: its name, how to read and write it, and the value under which answers are tried.

    Args:
        name: what a report calls it.
        read: returns the present value.
        write: sets a value.
        standard: the value under which answers are tried; None leaves the learner's.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], Any]
    standard: Any = None

    def put(self, value: Any) -> None:
        """Set a value, if it is not there already; a folder that has gone meanwhile cannot be gone back to."""
        with suppress(OSError):
            if self.read() != value:
                self.write(value)


@contextmanager
def kept_settings() -> Iterator[dict[str, Any]]:
    """Try answers under standard settings; afterwards all settings and random generators are as they were.

    Yields:
        The settings under which the answer is tried, for :func:`changed_settings`.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))  # what is made in inference mode can never be trained
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for read, write in _generators():
            stack.callback(write, read())
        for setting in _SETTINGS:
            stack.callback(setting.put, setting.read())
            if setting.standard is not None:
                setting.put(setting.standard)
        yield {setting.name: setting.read() for setting in _SETTINGS}


def changed_settings(before: dict[str, Any]) -> list[str]:
    """Name the settings that are no longer as they were."""
    return [setting.name for setting in _SETTINGS if setting.read() != before[setting.name]]


def seed_everything(seed: int) -> None:
    """Seed the generators from which layers draw; those of accelerators stay alone.

    ``torch.manual_seed`` would seed the accelerators too, and what the learner seeded there could not be put back.
    """
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)


def _generators() -> Iterator[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """Yield how to read and how to set the state of each global random generator that is in use."""
    yield torch.get_rng_state, torch.set_rng_state
    yield random.getstate, random.setstate
    if "numpy" in sys.modules:
        numpy_random = sys.modules["numpy"].random
        yield numpy_random.get_state, numpy_random.set_state
    for accelerator in (torch.cuda, torch.xpu):
        if accelerator.is_initialized():
            yield accelerator.get_rng_state_all, accelerator.set_rng_state_all
    if torch.backends.mps.is_available():
        yield torch.mps.get_rng_state, torch.mps.set_rng_state


def _working_directory() -> str | None:
    """Return the working directory, or None if it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _set_working_directory(folder: str | None) -> None:
    """Go to a folder; there is nothing to do if there was none."""
    if folder is not None:
        os.chdir(folder)


def _set_default_device(device: torch.device) -> None:
    """Set the default device; None is how torch says that nobody has set one, and spares each call a detour."""
    torch.set_default_device(None if device.type == "cpu" else device)


_SETTINGS = (
    _Setting(N_("the default dtype"), torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Setting(N_("the default device"), torch.get_default_device, _set_default_device, torch.device("cpu")),
    _Setting(N_("the grad mode"), torch.is_grad_enabled, torch.set_grad_enabled, True),
    _Setting(
        "autocast",
        lambda: torch.is_autocast_enabled("cpu"),
        lambda enabled: torch.set_autocast_enabled("cpu", enabled),
        False,
    ),
    _Setting(N_("anomaly detection"), torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly, False),
    _Setting(
        N_("the use of deterministic algorithms"),
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
        False,
    ),
    # One thread: for tensors this small a second one costs more than it gives, most of all on a busy machine.
    _Setting(N_("the number of threads"), torch.get_num_threads, torch.set_num_threads, 1),
    _Setting(N_("the recursion limit"), sys.getrecursionlimit, sys.setrecursionlimit),
    _Setting(N_("the working directory"), _working_directory, _set_working_directory),
)
