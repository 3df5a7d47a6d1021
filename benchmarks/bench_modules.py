"""What our modules cost beside torch's own, as they are and compiled."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks.comparing import compare
from benchmarks.conftest import Record
from benchmarks.targets import LINEAR_SIZES
from d2lcompute import MyLinear, MySequential

ROUNDS, BLOCK_SECONDS = 101, 0.003
TASKS = ("forward", "forward and backward")


def runs(net: Callable[[torch.Tensor], torch.Tensor], X: torch.Tensor, task: str) -> Callable[[], object]:
    """Return a task on a net and an input."""
    if task == "forward":
        return lambda: net(X)
    return lambda: net(X).sum().backward()  # type: ignore[no-untyped-call]


def compiled(net: nn.Module, X: torch.Tensor) -> Any:
    """Return a net compiled, forward and backward, or None where there is no C++ compiler."""
    from torch._inductor.exc import InvalidCxxCompiler

    fast = torch.compile(net)
    try:
        fast(X).sum().backward()
    except Exception as error:  # torch wraps what went wrong in an exception of its own
        if isinstance(getattr(error, "inner_exception", error), InvalidCxxCompiler):
            return None
        raise
    return fast


def contest(benchmark: Any, record: Record, name: str, ours: nn.Module, theirs: nn.Module, X: torch.Tensor) -> None:
    """Compare two modules at the task and in the way that the target's name ends with."""
    nets: list[Any] = [ours, theirs]
    if name.endswith("compiled"):
        torch.compiler.reset()  # what was compiled before would be looked through at each call
        nets = [compiled(net, X) for net in nets]
    if None in nets:
        benchmark.pedantic(lambda: None)
        return record(name, None, "no C++ compiler on this machine")
    task = next(task for task in reversed(TASKS) if task in name)
    mine, reference = (runs(net, X, task) for net in nets)
    comparison = compare(benchmark, mine, reference, rounds=ROUNDS, block_seconds=BLOCK_SECONDS)
    return record(name, comparison.ratio, str(comparison))


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize("task", TASKS)
def bench_sequential(benchmark: Any, record: Record, task: str, how: str) -> None:
    """Fifty layers that compute next to nothing: what is left is the loop."""
    layers = [nn.Linear(4, 4) for _ in range(50)]

    contest(
        benchmark,
        record,
        f"MySequential {task} {how}",
        MySequential(*layers),
        nn.Sequential(*layers),
        torch.ones(2, 4),
    )


@pytest.mark.parametrize("how", ["eager", "compiled"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", LINEAR_SIZES)
def bench_linear(benchmark: Any, record: Record, size: str, task: str, how: str) -> None:
    """The same product, with the weight stored the other way round."""
    rows, in_units, units = LINEAR_SIZES[size]
    ours, theirs = MyLinear(in_units, units), nn.Linear(in_units, units)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight.T)
        theirs.bias.copy_(ours.bias)  # type: ignore[arg-type]

    contest(benchmark, record, f"MyLinear {size} {task} {how}", ours, theirs, torch.randn(rows, in_units))
