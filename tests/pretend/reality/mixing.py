"""Operands on two devices: which operation refuses them, and in which words."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["MIXING", "words"]

Make = Callable[..., torch.Tensor]  # makes a tensor of ones of a shape, on the device or on the CPU
Program = Callable[[Make, Make, torch.device], Any]


def words(program: Program, device: torch.device) -> str:
    """Return what a program raises, as its traceback's last line says it, or which type of value it returns."""

    def there(*shape: int, **options: Any) -> torch.Tensor:
        return torch.ones(*shape, device=device, **options)

    try:
        return f"no error: {type(program(there, torch.ones, device)).__name__}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _zeros(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape, dtype=torch.long)


def _step_after_moving(
    optimizer_class: Callable[..., torch.optim.Optimizer], device: torch.device, **options: Any
) -> None:
    """Move a parameter's data after the optimizer's first step, and step again."""
    weight = nn.Parameter(torch.ones(2))
    optimizer = optimizer_class([weight], **options)
    weight.sum().backward()
    optimizer.step()
    weight.data, weight.grad = weight.data.to(device), None
    weight.sum().backward()
    optimizer.step()


MIXING: dict[str, Program] = {
    "add(gpu,cpu)": lambda g, c, _: g(2) + c(2),
    "add(cpu,gpu)": lambda g, c, _: c(2) + g(2),
    "mm(gpu,cpu)": lambda g, c, _: torch.mm(g(2, 2), c(2, 2)),
    "mm(cpu,gpu)": lambda g, c, _: torch.mm(c(2, 2), g(2, 2)),
    "matmul1d(gpu,cpu)": lambda g, c, _: g(2) @ c(2),
    "matmul1d(cpu,gpu)": lambda g, c, _: c(2) @ g(2),
    "mv(gpu,cpu)": lambda g, c, _: torch.mv(g(2, 2), c(2)),
    "mv(cpu,gpu)": lambda g, c, _: torch.mv(c(2, 2), g(2)),
    "bmm(gpu,cpu)": lambda g, c, _: torch.bmm(g(2, 2, 2), c(2, 2, 2)),
    "bmm(cpu,gpu)": lambda g, c, _: torch.bmm(c(2, 2, 2), g(2, 2, 2)),
    "matmul3d(gpu,cpu)": lambda g, c, _: g(3, 2, 2) @ c(2, 2),
    "matmul3d(cpu,gpu)": lambda g, c, _: c(3, 2, 2) @ g(2, 2),
    "addmm(cpu,gpu,gpu)": lambda g, c, _: torch.addmm(c(2, 2), g(2, 2), g(2, 2)),
    "addmm(gpu,cpu,gpu)": lambda g, c, _: torch.addmm(g(2, 2), c(2, 2), g(2, 2)),
    "addmm(gpu,gpu,cpu)": lambda g, c, _: torch.addmm(g(2, 2), g(2, 2), c(2, 2)),
    "baddbmm(gpu,gpu,cpu)": lambda g, c, _: torch.baddbmm(g(2, 2, 2), g(2, 2, 2), c(2, 2, 2)),
    "addmv(gpu,gpu,cpu)": lambda g, c, _: torch.addmv(g(2), g(2, 2), c(2)),
    "linear(x cpu)": lambda g, c, _: F.linear(c(3, 2), g(4, 2), g(4)),
    "linear(w cpu)": lambda g, c, _: F.linear(g(3, 2), c(4, 2), g(4)),
    "linear(b cpu)": lambda g, c, _: F.linear(g(3, 2), g(4, 2), c(4)),
    "linear(x cpu,nobias)": lambda g, c, _: F.linear(c(3, 2), g(4, 2)),
    "linear3d(x cpu)": lambda g, c, _: F.linear(c(5, 3, 2), g(4, 2), g(4)),
    "linear3d(x cpu,nobias)": lambda g, c, _: F.linear(c(5, 3, 2), g(4, 2)),
    "linear1d(x cpu)": lambda g, c, _: F.linear(c(2), g(4, 2), g(4)),
    "linear(x gpu, wb cpu)": lambda g, c, _: F.linear(g(3, 2), c(4, 2), c(4)),
    "Linear(x gpu)": lambda g, _, __: nn.Linear(2, 4)(g(3, 2)),
    "Linear.cuda(x cpu)": lambda _, c, d: nn.Linear(2, 4).to(d)(c(3, 2)),
    "conv2d(x cpu)": lambda _, c, d: nn.Conv2d(1, 2, 3).to(d)(c(1, 1, 8, 8)),
    "conv2d(x gpu,wcpu)": lambda g, _, __: nn.Conv2d(1, 2, 3)(g(1, 1, 8, 8)),
    "conv2d(b cpu)": lambda g, c, _: F.conv2d(g(1, 1, 8, 8), g(2, 1, 3, 3), c(2)),
    "conv1d(x cpu)": lambda _, c, d: nn.Conv1d(1, 2, 3).to(d)(c(1, 1, 8)),
    "embedding(idx cpu)": lambda _, __, d: nn.Embedding(4, 3).to(d)(_zeros(2)),
    "embedding(idx gpu, w cpu)": lambda _, __, d: nn.Embedding(4, 3)(_zeros(2).to(d)),
    "layer_norm(x cpu)": lambda _, c, d: nn.LayerNorm(4).to(d)(c(2, 4)),
    "layer_norm(w cpu)": lambda g, _, __: nn.LayerNorm(4)(g(2, 4)),
    "batch_norm(x cpu)": lambda _, c, d: nn.BatchNorm1d(4).to(d)(c(2, 4)),
    "batch_norm(w cpu)": lambda g, _, __: nn.BatchNorm1d(4)(g(2, 4)),
    "group_norm(w cpu)": lambda g, _, __: nn.GroupNorm(2, 4)(g(2, 4)),
    "cross_entropy(t cpu)": lambda g, _, __: F.cross_entropy(g(2, 3), _zeros(2)),
    "cross_entropy(x cpu)": lambda _, c, d: F.cross_entropy(c(2, 3), _zeros(2).to(d)),
    "cross_entropy(w cpu)": lambda g, c, d: F.cross_entropy(g(2, 3), _zeros(2).to(d), weight=c(3)),
    "nll_loss(t cpu)": lambda g, _, __: F.nll_loss(g(2, 3), _zeros(2)),
    "mse(t cpu)": lambda g, c, _: F.mse_loss(g(2), c(2)),
    "l1(t cpu)": lambda g, c, _: F.l1_loss(g(2), c(2)),
    "smooth_l1(t cpu)": lambda g, c, _: F.smooth_l1_loss(g(2), c(2)),
    "bce(t cpu)": lambda g, c, _: F.binary_cross_entropy(g(2), c(2)),
    "bce_logits(t cpu)": lambda g, c, _: F.binary_cross_entropy_with_logits(g(2), c(2)),
    "kl_div(t cpu)": lambda g, c, _: F.kl_div(g(2), c(2), reduction="sum"),
    "cat(gpu,cpu)": lambda g, c, _: torch.cat([g(2), c(2)]),
    "cat(cpu,gpu)": lambda g, c, _: torch.cat([c(2), g(2)]),
    "stack(gpu,cpu)": lambda g, c, _: torch.stack([g(2), c(2)]),
    "where(cond cpu)": lambda g, c, _: torch.where(c(2) > 0, g(2), g(2)),
    "where(other cpu)": lambda g, c, _: torch.where(g(2) > 0, g(2), c(2)),
    "gather(idx cpu)": lambda g, _, __: g(2, 2).gather(1, _zeros(2, 2)),
    "gather(x cpu)": lambda _, c, d: c(2, 2).gather(1, _zeros(2, 2).to(d)),
    "index_select(idx cpu)": lambda g, _, __: g(2, 2).index_select(0, _zeros(1)),
    "scatter(idx cpu)": lambda g, _, __: g(2, 2).scatter(1, _zeros(2, 2), g(2, 2)),
    "scatter(src cpu)": lambda g, c, d: g(2, 2).scatter(1, _zeros(2, 2).to(d), c(2, 2)),
    "scatter_add(src cpu)": lambda g, c, d: g(2, 2).scatter_add(1, _zeros(2, 2).to(d), c(2, 2)),
    "index_add(src cpu)": lambda g, c, d: g(2, 2).index_add(0, _zeros(1).to(d), c(1, 2)),
    "take(idx cpu)": lambda g, _, __: g(4).take(_zeros(2)),
    "masked_select(m cpu)": lambda g, c, _: g(2).masked_select(c(2) > 0),
    "masked_fill(m cpu)": lambda g, c, _: g(2).masked_fill(c(2) > 0, 0.0),
    "index(cpu[gpu])": lambda _, c, d: c(3)[_zeros(1).to(d)],
    "index(gpu[cpu])": lambda g, _, __: g(3)[_zeros(1)],
    "index_put(v cpu)": lambda g, c, d: g(3).index_put((_zeros(1).to(d),), c(1)),
    "setitem(v cpu idx)": lambda g, c, _: g(3).__setitem__(_zeros(2), c(2)),
    "setitem(slice)": lambda g, c, _: g(3).__setitem__(slice(0, 2), c(2)),
    "dot(gpu,cpu)": lambda g, c, _: torch.dot(g(2), c(2)),
    "outer": lambda g, c, _: torch.outer(g(2), c(2)),
    "einsum": lambda g, c, _: torch.einsum("ij,jk->ik", g(2, 2), c(2, 2)),
    "addcmul": lambda g, c, _: torch.addcmul(g(2), g(2), c(2)),
    "addcdiv": lambda g, c, _: torch.addcdiv(g(2), c(2), g(2)),
    "lerp(end cpu)": lambda g, c, _: torch.lerp(g(2), c(2), 0.5),
    "cdist": lambda g, c, _: torch.cdist(g(2, 2), c(2, 2)),
    "cosine_similarity": lambda g, c, _: F.cosine_similarity(g(2, 2), c(2, 2)),
    "max2": lambda g, c, _: torch.maximum(g(2), c(2)),
    "eq": lambda g, c, _: g(2) == c(2),
    "equal": lambda g, c, _: torch.equal(g(2), c(2)),
    "allclose": lambda g, c, _: torch.allclose(g(2), c(2)),
    "pow": lambda g, c, _: g(2) ** c(2),
    "atan2": lambda g, c, _: torch.atan2(g(2), c(2)),
    "add_(gpu,cpu)": lambda g, c, _: g(2).add_(c(2)),
    "add_(cpu,gpu)": lambda g, c, _: c(2).add_(g(2)),
    "add(out cpu)": lambda g, c, _: torch.add(g(2), g(2), out=c(2)),
    "mm(out cpu)": lambda g, c, _: torch.mm(g(2, 2), g(2, 2), out=c(2, 2)),
    "prelu": lambda g, c, _: F.prelu(g(2, 2), c(1)),
    "sdpa": lambda g, c, _: F.scaled_dot_product_attention(g(1, 1, 4, 8), c(1, 1, 4, 8), g(1, 1, 4, 8)),
    "bilinear": lambda g, c, _: F.bilinear(g(2, 2), c(2, 2), g(1, 2, 2)),
    "grid_sample": lambda g, c, _: F.grid_sample(g(1, 1, 4, 4), c(1, 2, 2, 2), align_corners=False),
    "dropout ok": lambda g, _, __: F.dropout(g(2)),
    "lstm(x cpu)": lambda _, c, d: nn.LSTM(2, 3).to(d)(c(4, 1, 2)),
    "lstm(x gpu,w cpu)": lambda g, _, __: nn.LSTM(2, 3)(g(4, 1, 2)),
    "gru(h cpu)": lambda g, c, d: nn.GRU(2, 3).to(d)(g(4, 1, 2), c(1, 1, 3)),
    "mha(x cpu)": lambda _, c, d: nn.MultiheadAttention(4, 2).to(d)(c(3, 1, 4), c(3, 1, 4), c(3, 1, 4)),
    "solve": lambda g, c, d: torch.linalg.solve(g(2, 2) + torch.eye(2, device=d), c(2, 2)),
    "isin": lambda g, c, _: torch.isin(g(2), c(2)),
    "bucketize": lambda g, c, _: torch.bucketize(g(2), c(2)),
    "searchsorted": lambda g, c, _: torch.searchsorted(g(2), c(2)),
    "one_hot ok": lambda _, __, d: F.one_hot(_zeros(2).to(d)),
    "tensordot": lambda g, c, _: torch.tensordot(g(2, 2), c(2, 2)),
    "kron": lambda g, c, _: torch.kron(g(2, 2), c(2, 2)),
    "nextafter": lambda g, c, _: torch.nextafter(g(2), c(2)),
    "copysign": lambda g, c, _: torch.copysign(g(2), c(2)),
    "clamp(min cpu)": lambda g, c, _: torch.clamp(g(2), min=c(2)),
    "_foreach_add": lambda g, c, _: torch._foreach_add([g(2)], [c(2)]),
    "set_": lambda g, c, _: g(2).set_(c(2)),
    "set_(cpu,gpu)": lambda g, c, _: c(2).set_(g(2)),
    "set_storage": lambda g, c, _: g(2).set_(c(2).untyped_storage()),
    "data=": lambda g, c, _: setattr(g(2), "data", c(2)),
    "grad=": lambda g, c, _: setattr(g(2).requires_grad_(), "grad", c(2)),
    "numpy": lambda g, _, __: g(2).numpy(),
    "from_list": lambda g, c, _: torch.tensor([g(1)[0], c(1)[0]]),
    "pin(gpu)": lambda g, _, __: g(2).pin_memory(),
    "Adam mixed": lambda _, __, d: _step_after_moving(torch.optim.Adam, d),
    "SGD mixed": lambda _, __, d: _step_after_moving(torch.optim.SGD, d, momentum=0.9),
    "cpu gen on cuda": lambda _, __, d: torch.rand(2, generator=torch.Generator(), device=d),
    "cuda gen on cpu": lambda _, __, d: torch.rand(2, generator=torch.Generator(device=d)),
    "normal_": lambda g, _, __: g(2).normal_(generator=torch.Generator()),
    "multinomial": lambda g, _, __: torch.multinomial(g(3), 1, generator=torch.Generator()),
    "mm fp16/fp32": lambda g, _, __: torch.mm(g(2, 2).half(), g(2, 2)),
    "linear half x": lambda g, _, d: nn.Linear(2, 2).to(d)(g(2, 2).half()),
    "conv half x": lambda g, _, d: nn.Conv1d(1, 1, 1).to(d)(g(1, 1, 2).half()),
}
