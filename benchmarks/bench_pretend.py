"""What pretending costs, in operations a second inside and outside a block, and how far the model is from a real card.

Run ``python benchmarks/bench_pretend.py``. The first table is measured here and differs from computer to computer; the
second compares modelled products with figures that others published for the card, and is the same everywhere.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.utils.benchmark import Timer

from d2lcompute import pretend_gpus
from d2lcompute.pretend import A100, A100_PUBLISHED_FLOPS_PER_SECOND

MIN_RUN_SECONDS = 0.3


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


def programs(device: str) -> dict[str, Callable[[], object]]:
    """Return the programs that are timed, on a device."""
    X, large = torch.ones(8, 8, device=device), torch.ones(512, 512, device=device)
    return {
        "X.device": lambda: X.device,
        "X + X (8 × 8)": lambda: X + X,
        "X @ X (8 × 8)": lambda: X @ X,
        "X @ X (512 × 512)": lambda: large @ large,
        "X.T": lambda: X.T,
        "X.to(device)": lambda: X.to(device),
        "X.sum().item()": lambda: X.sum().item(),
        "torch.ones(8, 8, device=device)": lambda: torch.ones(8, 8, device=device),
        "training step": training_step(device),
    }


def rates(device: str) -> dict[str, float]:
    """Return how often a second each program runs on a device."""
    timed = {name: Timer("run()", globals={"run": run}) for name, run in programs(device).items()}
    return {name: 1 / timer.blocked_autorange(min_run_time=MIN_RUN_SECONDS).median for name, timer in timed.items()}


def main() -> None:
    """Print both tables."""
    outside = rates("cpu")
    with pretend_gpus(2):
        beside, inside = rates("cpu"), rates("cuda:1")
    print("| program | outside, runs a second | inside, CPU | inside, cuda:1 | µs added by cuda:1 |")
    print("|---|---:|---:|---:|---:|")
    for name, rate in outside.items():
        added = 1e6 / inside[name] - 1e6 / rate
        print(f"| {name} | {rate:,.0f} | {beside[name]:,.0f} | {inside[name]:,.0f} | {added:,.1f} |")
    print(f"\n| {A100.name}: n × n product | published | modelled | error of the modelled time |")
    print("|---|---:|---:|---:|")
    for dtype, sizes in A100_PUBLISHED_FLOPS_PER_SECOND.items():
        for n, published in sizes.items():
            seconds = A100.seconds(2 * n**3, 3 * n**2 * dtype.itemsize, dtype)
            kind, modelled = str(dtype).removeprefix("torch."), 2 * n**3 / seconds
            error = published / modelled - 1
            print(f"| {kind}, n = {n} | {published / 1e12:.1f} TFLOPS | {modelled / 1e12:.1f} TFLOPS | {error:+.0%} |")


if __name__ == "__main__":
    main()
