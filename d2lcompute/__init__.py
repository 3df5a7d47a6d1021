"""Helpers for the chapter "deep learning computation" of *Dive into Deep Learning*, for one's own notebooks."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pretend import pretend_gpus, record_transfers

try:
    from .blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
    from .checkpoints import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
    from .devices import cpu, gpu, num_gpus, synchronize, try_all_gpus, try_gpu
    from .initializers import init_42, init_constant, init_normal, init_xavier, my_init
    from .layers import CenteredLayer, MyLinear
    from .parameters import ParameterRow, ParameterTable, count_parameters, parameter_table, tied_groups
    from .timing import Measurement, Timer, benchmark
except Exception as error:
    # While Python looks for the module of `-m`, argv begins with "-m", and the module's name stands before the rest;
    # the command that pip installs has this package's name. Its doctor must speak where torch does not.
    is_module = sys.argv[:1] == ["-m"] and sys.orig_argv[-len(sys.argv)].removeprefix("-m").split(".")[0] == __name__
    is_command = bool(sys.argv) and sys.argv[0].removesuffix(".exe").endswith((f"/{__name__}", f"\\{__name__}"))
    if not (is_module or is_command):
        raise ImportError(
            f"d2lcompute cannot be imported here ({type(error).__name__}: {error}); "
            "`python -m d2lcompute` says what is missing and how to mend it"
        ) from error

__all__ = [
    "MLP",
    "CenteredLayer",
    "Checkpoint",
    "CheckpointError",
    "FixedHiddenMLP",
    "Measurement",
    "MyLinear",
    "MySequential",
    "NestMLP",
    "ParameterRow",
    "ParameterTable",
    "Timer",
    "benchmark",
    "count_parameters",
    "cpu",
    "gpu",
    "init_42",
    "init_constant",
    "init_normal",
    "init_xavier",
    "load_checkpoint",
    "my_init",
    "num_gpus",
    "parameter_table",
    "pretend_gpus",
    "record_transfers",
    "save_checkpoint",
    "synchronize",
    "tied_groups",
    "try_all_gpus",
    "try_gpu",
]


def __getattr__(name: str) -> Any:
    """Import the pretended machine when it is first asked for: its tables take longer than all the rest."""
    if name not in ("pretend", "pretend_gpus", "record_transfers"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    pretend = import_module("d2lcompute.pretend")
    return pretend if name == "pretend" else getattr(pretend, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
