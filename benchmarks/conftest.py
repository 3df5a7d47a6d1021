"""What every benchmark gets: one thread, no accelerator, and a place for its rows of the table."""

import os

os.environ["D2LCOMPUTE_DEVICE"] = "cpu"  # before torch is imported
os.environ["OMP_NUM_THREADS"] = "1"  # the contestants are compared, not the cores
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # child processes read compiled modules, as after any first import

from collections.abc import Callable
from typing import Any

import pytest
import torch

from benchmarks.targets import TARGETS

Record = Callable[..., None]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def record(benchmark: Any) -> Record:
    """Return the function that keeps a row: the target's name, what was measured, and the absolute numbers."""

    def keep(name: str, measured: float | None, absolute: str) -> None:
        if name not in TARGETS:
            raise KeyError(f"{name!r} is no target of benchmarks/targets.py")
        rows = benchmark.extra_info.setdefault("rows", [])
        rows.append({"name": name, "measured": measured, "absolute": absolute})

    return keep
