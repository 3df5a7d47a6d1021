"""Memory on a device: what the allocator holds after each step of simple programs, in bytes."""

import gc
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

__all__ = ["MEMORY"]

SIZES = (1, 512, 513, 1 << 20, (1 << 20) + 1, 10 << 20, (10 << 20) + 1)


class Meter:
    """Reads the bytes that are allocated beyond those at its start, and the peak since the last reading of it."""

    def __init__(self, device: torch.device) -> None:
        gc.collect()
        self.device, self.rows = device, dict[str, int]()
        for dtype in (torch.float32, torch.float16):
            X = torch.ones(8, 8, device=device, dtype=dtype, requires_grad=True)
            (X @ X).sum().backward()  # cuBLAS allocates its workspace at the first product, and keeps it
        del X
        torch.cuda.synchronize()
        self.start = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)

    def read(self, name: str) -> None:
        """Keep what is allocated now."""
        self.rows[name] = torch.cuda.memory_allocated(self.device) - self.start

    def read_peak(self, name: str) -> None:
        """Keep the peak, and begin a new one."""
        self.rows[name] = torch.cuda.max_memory_allocated(self.device) - self.start
        torch.cuda.reset_peak_memory_stats(self.device)


def blocks(device: torch.device) -> dict[str, int]:
    """Allocate one block of each size."""
    rows = {}
    for size in SIZES:
        meter = Meter(device)
        block = torch.empty(size, dtype=torch.uint8, device=device)
        meter.read(str(size))
        del block
        rows |= meter.rows
    return rows


def mlp(device: torch.device) -> nn.Sequential:
    """Return the net of these programs: 1000 → 2000 → 1000 → 10."""
    layers = (nn.Linear(1000, 2000), nn.ReLU(), nn.Linear(2000, 1000), nn.ReLU(), nn.Linear(1000, 10))
    return nn.Sequential(*layers).to(device)


def training(device: torch.device) -> dict[str, int]:
    """Train an MLP with Adam for two steps."""
    meter = Meter(device)
    net = mlp(device)
    meter.read("weights")
    X, y = torch.rand(512, 1000, device=device), torch.zeros(512, dtype=torch.long, device=device)
    meter.read("data")
    optimizer = torch.optim.Adam(net.parameters(), foreach=False)
    for step in range(2):
        out = net(X)
        meter.read(f"{step} after forward")
        loss = F.cross_entropy(out, y)
        meter.read(f"{step} after loss")
        loss.backward()
        meter.read(f"{step} after backward")
        del out, loss
        optimizer.step()
        meter.read(f"{step} after step")
        optimizer.zero_grad()
        meter.read(f"{step} after zero_grad")
    return meter.rows


def without_history(device: torch.device) -> dict[str, int]:
    """Run the same net without recording."""
    meter = Meter(device)
    net, X = mlp(device), torch.rand(512, 1000, device=device)
    with torch.no_grad():
        out = net(X)
    meter.read("after forward")
    meter.read_peak("peak")
    del out
    return meter.rows


def accumulation(device: torch.device) -> dict[str, int]:
    """Run a batch in four parts: gradients add up, activations are those of one part."""
    meter = Meter(device)
    net, X = mlp(device), torch.rand(512, 1000, device=device)
    for part in X.chunk(4):
        out = net(part)
        meter.rows["activations of a part"] = torch.cuda.memory_allocated(device) - meter.start
        out.sum().backward()
        del out
        meter.read("after backward")
    return meter.rows


def checkpointed(device: torch.device) -> dict[str, int]:
    """Keep the input of each checkpointed part alone."""
    meter = Meter(device)
    net, X = mlp(device), torch.rand(512, 1000, device=device)
    hidden = checkpoint(net[:4], X.requires_grad_(), use_reentrant=False)
    out = net[4:](hidden)
    meter.read("after forward")
    out.sum().backward()
    del out, hidden
    meter.read("after backward")
    return meter.rows


def autocast(device: torch.device) -> dict[str, int]:
    """Run forward in float16: activations halve, and copies of the weights come on top."""
    meter = Meter(device)
    net = mlp(device)
    X, y = torch.rand(512, 1000, device=device), torch.zeros(512, dtype=torch.long, device=device)
    meter.read("start")
    with torch.autocast("cuda"):
        out = net(X)
        meter.read("after forward")
        loss = F.cross_entropy(out, y)
        meter.read("after loss")
    meter.read("after the region")
    loss.backward()
    meter.read("after backward")
    return meter.rows


MEMORY: dict[str, Callable[[torch.device], dict[str, int]]] = {
    "blocks": blocks,
    "training": training,
    "without history": without_history,
    "accumulation": accumulation,
    "checkpointed": checkpointed,
    "autocast": autocast,
}
