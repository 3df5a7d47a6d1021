"""Where the host waits for the device: programs, and whether they do."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["WAITING", "waits"]


class Inputs:
    """What the programs work on, made before anything is counted."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.X, self.Y = torch.rand(8, 8, device=device), torch.rand(8, 8, device=device)
        self.mask = self.X > 0.5
        self.pageable, self.pinned = torch.rand(8, 8), torch.rand(8, 8).pin_memory()
        self.zeros = torch.zeros(3, dtype=torch.long, device=device)
        self.repeats = torch.ones(8, dtype=torch.long, device=device)
        self.scalar = torch.ones((), device=device)
        self.index, self.eye = torch.tensor(1, device=device), torch.eye(3, device=device)
        self.weight = nn.Parameter(torch.ones(3, device=device))
        self.gradient()

    def gradient(self) -> torch.Tensor:
        """Give the weight a gradient."""
        self.weight.grad = None
        self.weight.sum().backward()
        return self.weight


def waits(program: Callable[[Inputs], Any], device: torch.device) -> bool:
    """Return whether the host waits in a program, as PyTorch's own debug mode tells."""
    inputs = Inputs(device)
    program(inputs)  # what is made lazily is made now
    inputs = Inputs(device)
    torch.cuda.synchronize()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            program(inputs)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return any("synchroniz" in str(warning.message) for warning in caught)


def _step(optimizer_class: Callable[..., torch.optim.Optimizer]) -> Callable[[Inputs], Any]:
    return lambda i: optimizer_class([i.gradient()], lr=0.1).step()


def _scaled_step(i: Inputs) -> None:
    scaler = torch.amp.GradScaler("cuda")
    optimizer = torch.optim.SGD([i.weight], lr=0.1)
    optimizer.zero_grad()
    scaler.scale(i.weight.sum()).backward()
    scaler.step(optimizer)
    scaler.update()


WAITING: dict[str, Callable[[Inputs], Any]] = {
    "item": lambda i: i.X[0, 0].item(),
    "float": lambda i: float(i.X[0, 0]),
    "bool": lambda i: bool(i.mask.any()),
    "if": lambda i: 1 if i.X[0, 0] > 0 else 0,
    "tolist": lambda i: i.X.tolist(),
    "cpu": lambda i: i.X.cpu(),
    "format": lambda i: f"{i.X[0, 0]:.2f}",
    "print": lambda i: repr(i.X),
    "to cuda pageable": lambda i: i.pageable.to(i.device),
    "to cuda pageable nb": lambda i: i.pageable.to(i.device, non_blocking=True),
    "to cuda pinned": lambda i: i.pinned.to(i.device),
    "to cuda pinned nb": lambda i: i.pinned.to(i.device, non_blocking=True),
    "to cpu nb": lambda i: i.X.to("cpu", non_blocking=True),
    "copy_ from cpu": lambda i: i.X.copy_(i.pageable),
    "tensor(list, cuda)": lambda i: torch.tensor([1.0, 2.0], device=i.device),
    "tensor([scalars])": lambda i: torch.tensor([i.X[0, 0], i.X[0, 1]]),
    "ones": lambda i: torch.ones(3, device=i.device),
    "mm": lambda i: i.X @ i.Y,
    "sum": lambda i: i.X.sum(),
    "sort": lambda i: i.X.sort(),
    "topk": lambda i: i.X.topk(2),
    "nonzero": lambda i: i.X.nonzero(),
    "where1": lambda i: torch.where(i.mask),
    "mask": lambda i: i.X[i.mask],
    "mask assign scalar": lambda i: i.X.__setitem__(i.mask, 0.0),
    "mask assign tensor": lambda i: i.X.__setitem__(i.mask, i.scalar),
    "masked_select": lambda i: i.X.masked_select(i.mask),
    "masked_fill": lambda i: i.X.masked_fill(i.mask, 0.0),
    "unique": lambda i: i.X.unique(),
    "equal": lambda i: torch.equal(i.X, i.Y),
    "allclose": lambda i: torch.allclose(i.X, i.Y),
    "index cpu idx": lambda i: i.X[torch.tensor([0, 1])],
    "index list": lambda i: i.X[[0, 1]],
    "index slice": lambda i: i.X[0:2],
    "int index": lambda i: i.X[i.index],
    "repeat_interleave": lambda i: torch.repeat_interleave(i.X[0], i.repeats),
    "one_hot": lambda i: F.one_hot(i.zeros),
    "cross_entropy": lambda i: F.cross_entropy(i.X[:3], i.zeros),
    "clip_grad": lambda i: nn.utils.clip_grad_norm_([i.weight], 1.0),
    "linspace": lambda i: torch.linspace(i.X[0, 0], i.X[0, 1], 3),
    "add cpu scalar": lambda i: i.X + torch.tensor(1.0),
    "pow item": lambda i: i.Y**i.scalar,
    "clamp tensor": lambda i: i.Y.clamp(min=i.scalar),
    "multinomial": lambda i: torch.multinomial(torch.ones(3, device=i.device), 1),
    "bincount": lambda i: torch.bincount(i.zeros),
    "randperm": lambda i: torch.randperm(8, device=i.device),
    "inv": lambda i: torch.linalg.inv(i.eye),
    "solve": lambda i: torch.linalg.solve(i.eye, torch.ones(3, device=i.device)),
    "embedding": lambda i: F.embedding(i.zeros, i.X),
    "split sizes": lambda i: i.X.split([4, 4]),
    "pad_sequence": lambda i: nn.utils.rnn.pad_sequence([i.X[0], i.X[1]]),
    "len": lambda i: len(i.X),
    "Adam step": _step(torch.optim.Adam),
    "SGD step": _step(torch.optim.SGD),
    "scaler step": _scaled_step,
}
