"""What pretending costs: the same programs inside and outside of a block."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.comparing import compare
from benchmarks.conftest import Record
from benchmarks.targets import PROGRAMS
from d2lcompute import pretend_gpus

ROUNDS, BLOCK_SECONDS = 31, 0.002


def training_step(device: str) -> Callable[[], None]:
    """Return one step of SGD with momentum on a small net."""
    net = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1)).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    X = torch.ones(64, 32, device=device)

    def step() -> None:
        optimizer.zero_grad()
        net(X).square().mean().backward()
        optimizer.step()

    return step


def program(name: str, device: str) -> Callable[[], object]:
    """Return one of the programs, on a device."""
    X = torch.ones(8, 8, device=device)
    return {
        "X.device": lambda: X.device,
        "X + X": lambda: X + X,
        "X @ X": lambda: X @ X,
        "X.T": lambda: X.T,
        "X.to(device)": lambda: X.to(device),
        "X.sum().item()": lambda: X.sum().item(),
        "torch.ones(device)": lambda: torch.ones(8, 8, device=device),
        "a training step": training_step(device),
    }[name]


@pytest.mark.parametrize("name", PROGRAMS)
def bench_pretend(benchmark: Any, record: Record, name: str) -> None:
    """A program on a device that is not there, against the CPU that does the work for both."""
    machine = pretend_gpus(2)
    with machine:
        inside = program(name, "cuda:1")

    comparison = compare(
        benchmark,
        inside,
        program(name, "cpu"),
        rounds=ROUNDS,
        block_seconds=BLOCK_SECONDS,
        around_ours=machine,
    )
    record(f"pretend {name}", comparison.ratio, str(comparison))
