"""Every operation of autocast's CUDA tables in PyTorch's documentation, and some beside them: the dtype that comes out.

Source: docs.pytorch.org, "Automatic Mixed Precision package", CUDA operations that can autocast to float16, that can
autocast to float32, and that promote to the widest input type.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["FLOAT32", "LOWER_PRECISION", "UNLISTED", "WIDEST", "dtype_of"]

Draw = Callable[..., torch.Tensor]  # draws a tensor of a shape with values between 0.25 and 0.75


def draw_from(device: torch.device, dtype: torch.dtype) -> Draw:
    """Return a function that draws tensors on a device."""
    return lambda *shape: (torch.rand(*shape, device=device) * 0.5 + 0.25).to(dtype)


def dtype_of(program: Callable[..., Any], device: torch.device, *dtypes: torch.dtype) -> str:
    """Return the dtype of what a program returns, such as ``float16``, or the type of the error that it raises."""
    try:
        return str(program(*(draw_from(device, dtype) for dtype in dtypes)).dtype).removeprefix("torch.")
    except Exception as error:
        return type(error).__name__


def _long(r: Draw, *shape: int) -> torch.Tensor:
    return torch.zeros(*shape, dtype=torch.long, device=r(1).device)


def _signs(r: Draw, *shape: int) -> torch.Tensor:
    return torch.ones(*shape, device=r(1).device)


def _on(module: nn.Module, r: Draw) -> nn.Module:
    return module.to(r(1).device)


LOWER_PRECISION: dict[str, Callable[[Draw], Any]] = {
    "__matmul__": lambda r: r(2, 2) @ r(2, 2),
    "addbmm": lambda r: torch.addbmm(r(2, 2), r(3, 2, 2), r(3, 2, 2)),
    "addmm": lambda r: torch.addmm(r(2, 2), r(2, 2), r(2, 2)),
    "addmv": lambda r: torch.addmv(r(2), r(2, 2), r(2)),
    "addr": lambda r: torch.addr(r(2, 2), r(2), r(2)),
    "baddbmm": lambda r: torch.baddbmm(r(3, 2, 2), r(3, 2, 2), r(3, 2, 2)),
    "bmm": lambda r: torch.bmm(r(3, 2, 2), r(3, 2, 2)),
    "chain_matmul": lambda r: torch.chain_matmul(r(2, 2), r(2, 2), r(2, 2)),
    "multi_dot": lambda r: torch.linalg.multi_dot([r(2, 2), r(2, 2), r(2, 2)]),
    "conv1d": lambda r: F.conv1d(r(1, 1, 8), r(1, 1, 3)),
    "conv2d": lambda r: F.conv2d(r(1, 1, 8, 8), r(1, 1, 3, 3)),
    "conv3d": lambda r: F.conv3d(r(1, 1, 8, 8, 8), r(1, 1, 3, 3, 3)),
    "conv_transpose1d": lambda r: F.conv_transpose1d(r(1, 1, 8), r(1, 1, 3)),
    "conv_transpose2d": lambda r: F.conv_transpose2d(r(1, 1, 8, 8), r(1, 1, 3, 3)),
    "conv_transpose3d": lambda r: F.conv_transpose3d(r(1, 1, 8, 8, 8), r(1, 1, 3, 3, 3)),
    "GRUCell": lambda r: _on(nn.GRUCell(4, 4), r)(r(2, 4)),
    "LSTMCell": lambda r: _on(nn.LSTMCell(4, 4), r)(r(2, 4))[0],
    "RNNCell": lambda r: _on(nn.RNNCell(4, 4), r)(r(2, 4)),
    "linear": lambda r: F.linear(r(2, 4), r(3, 4), r(3)),
    "matmul": lambda r: torch.matmul(r(2, 2), r(2, 2)),
    "mm": lambda r: torch.mm(r(2, 2), r(2, 2)),
    "mv": lambda r: torch.mv(r(2, 2), r(2)),
    "prelu": lambda r: F.prelu(r(2, 2), r(1)),
}
FLOAT32: dict[str, Callable[[Draw], Any]] = {
    "__pow__": lambda r: r(2) ** 2,
    "__rdiv__": lambda r: 1 / r(2),
    "__rpow__": lambda r: 2 ** r(2),
    "__rtruediv__": lambda r: r(2).__rtruediv__(1.0),
    "acos": lambda r: torch.acos(r(2)),
    "asin": lambda r: torch.asin(r(2)),
    "binary_cross_entropy_with_logits": lambda r: F.binary_cross_entropy_with_logits(r(2), r(2)),
    "cosh": lambda r: torch.cosh(r(2)),
    "cosine_embedding_loss": lambda r: F.cosine_embedding_loss(r(2, 2), r(2, 2), r(2)),
    "cdist": lambda r: torch.cdist(r(2, 2), r(2, 2)),
    "cosine_similarity": lambda r: F.cosine_similarity(r(2, 2), r(2, 2)),
    "cross_entropy": lambda r: F.cross_entropy(r(2, 3), _long(r, 2)),
    "cumprod": lambda r: torch.cumprod(r(2), 0),
    "cumsum": lambda r: torch.cumsum(r(2), 0),
    "dist": lambda r: torch.dist(r(2), r(2)),
    "erfinv": lambda r: torch.erfinv(r(2)),
    "exp": lambda r: torch.exp(r(2)),
    "expm1": lambda r: torch.expm1(r(2)),
    "group_norm": lambda r: F.group_norm(r(2, 4), 2),
    "hinge_embedding_loss": lambda r: F.hinge_embedding_loss(r(2), _signs(r, 2)),
    "kl_div": lambda r: F.kl_div(r(2), r(2), reduction="sum"),
    "l1_loss": lambda r: F.l1_loss(r(2), r(2)),
    "layer_norm": lambda r: F.layer_norm(r(2, 4), (4,)),
    "log": lambda r: torch.log(r(2)),
    "log10": lambda r: torch.log10(r(2)),
    "log_softmax": lambda r: torch.log_softmax(r(2, 2), 1),
    "log1p": lambda r: torch.log1p(r(2)),
    "log2": lambda r: torch.log2(r(2)),
    "margin_ranking_loss": lambda r: F.margin_ranking_loss(r(2), r(2), _signs(r, 2)),
    "mse_loss": lambda r: F.mse_loss(r(2), r(2)),
    "multilabel_margin_loss": lambda r: F.multilabel_margin_loss(r(2, 2), _long(r, 2, 2)),
    "multi_margin_loss": lambda r: F.multi_margin_loss(r(2, 2), _long(r, 2)),
    "nll_loss": lambda r: F.nll_loss(r(2, 3), _long(r, 2)),
    "norm": lambda r: torch.norm(r(2)),
    "normalize": lambda r: F.normalize(r(2, 2)),
    "pdist": lambda r: F.pdist(r(3, 2)),
    "poisson_nll_loss": lambda r: F.poisson_nll_loss(r(2), r(2)),
    "pow": lambda r: torch.pow(r(2), 2.5),
    "prod": lambda r: torch.prod(r(2)),
    "reciprocal": lambda r: torch.reciprocal(r(2)),
    "rsqrt": lambda r: torch.rsqrt(r(2)),
    "sinh": lambda r: torch.sinh(r(2)),
    "smooth_l1_loss": lambda r: F.smooth_l1_loss(r(2), r(2)),
    "soft_margin_loss": lambda r: F.soft_margin_loss(r(2), _signs(r, 2)),
    "softmax": lambda r: torch.softmax(r(2, 2), 1),
    "softmin": lambda r: F.softmin(r(2, 2), 1),
    "softplus": lambda r: F.softplus(r(2)),
    "sum": lambda r: torch.sum(r(2)),
    "renorm": lambda r: torch.renorm(r(2, 2), 2, 0, 1.0),
    "tan": lambda r: torch.tan(r(2)),
    "triplet_margin_loss": lambda r: F.triplet_margin_loss(r(2, 2), r(2, 2), r(2, 2)),
}
UNLISTED: dict[str, Callable[[Draw], Any]] = {  # not in the documentation's tables; what a card does all the same
    "LSTM": lambda r: _on(nn.LSTM(4, 4), r)(r(3, 2, 4))[0],
    "GRU": lambda r: _on(nn.GRU(4, 4), r)(r(3, 2, 4))[0],
    "sdpa": lambda r: F.scaled_dot_product_attention(r(1, 1, 4, 8), r(1, 1, 4, 8), r(1, 1, 4, 8)),
    "einsum": lambda r: torch.einsum("ij,jk->ik", r(2, 2), r(2, 2)),
    "MHA": lambda r: _on(nn.MultiheadAttention(4, 2), r)(r(3, 1, 4), r(3, 1, 4), r(3, 1, 4))[0],
    "huber_loss": lambda r: F.huber_loss(r(2), r(2)),
    "linalg_vector_norm": lambda r: torch.linalg.vector_norm(r(2)),
    "linalg_matrix_norm": lambda r: torch.linalg.matrix_norm(r(2, 2)),
    "gelu": lambda r: F.gelu(r(2)),
    "relu": lambda r: F.relu(r(2)),
    "mean": lambda r: r(2).mean(),
    "batch_norm": lambda r: _on(nn.BatchNorm1d(4), r)(r(2, 4)),
    "rms_norm": lambda r: F.rms_norm(r(2, 4), (4,)),
    "logsumexp": lambda r: torch.logsumexp(r(2, 2), 1),
    "sqrt": lambda r: torch.sqrt(r(2)),
    "var": lambda r: torch.var(r(4)),
    "std": lambda r: torch.std(r(4)),
    "max": lambda r: torch.max(r(2)),
    "div": lambda r: r(2) / r(2),
    "silu": lambda r: F.silu(r(2)),
    "sigmoid": lambda r: torch.sigmoid(r(2)),
    "tanh": lambda r: torch.tanh(r(2)),
    "dropout": lambda r: F.dropout(r(2)),
    "embedding": lambda r: F.embedding(_long(r, 2), r(4, 3)),
    "max_pool2d": lambda r: F.max_pool2d(r(1, 1, 4, 4), 2),
    "avg_pool2d": lambda r: F.avg_pool2d(r(1, 1, 4, 4), 2),
    "interpolate": lambda r: F.interpolate(r(1, 1, 4, 4), scale_factor=2, mode="bilinear"),
    "logcumsumexp": lambda r: torch.logcumsumexp(r(2), 0),
    "add_int": lambda r: r(2) + 1,
}
WIDEST: dict[str, Callable[[Draw, Draw], Any]] = {
    "addcdiv": lambda a, b: torch.addcdiv(a(2), b(2), a(2)),
    "addcmul": lambda a, b: torch.addcmul(a(2), b(2), a(2)),
    "atan2": lambda a, b: torch.atan2(a(2), b(2)),
    "bilinear": lambda a, b: F.bilinear(a(2, 2), b(2, 2), a(1, 2, 2)),
    "cross": lambda a, b: torch.cross(a(3), b(3), dim=0),
    "dot": lambda a, b: torch.dot(a(2), b(2)),
    "vdot": lambda a, b: torch.vdot(a(2), b(2)),
    "grid_sample": lambda a, b: F.grid_sample(a(1, 1, 4, 4), b(1, 2, 2, 2), align_corners=False),
    "index_put": lambda a, b: a(3).index_put((_long(a, 1),), b(1)),
    "scatter_add": lambda a, b: a(2, 2).scatter_add(1, _long(a, 2, 2), b(2, 2)),
    "tensordot": lambda a, b: torch.tensordot(a(2, 2), b(2, 2)),
    "cat": lambda a, b: torch.cat([a(2), b(2)]),
    "stack": lambda a, b: torch.stack([a(2), b(2)]),
    "equal": lambda a, b: torch.tensor(torch.equal(a(2), b(2))),
    "add": lambda a, b: a(2) + b(2),
    "where": lambda a, b: torch.where(a(2) > 0, a(2), b(2)),
    "mm": lambda a, b: torch.mm(a(2, 2), b(2, 2)),
    "mse_loss": lambda a, b: F.mse_loss(a(2), b(2)),
    "linear": lambda a, b: F.linear(a(2, 4), b(3, 4), b(3)),
    "layer_norm": lambda a, b: F.layer_norm(a(2, 4), (4,), b(4)),
    "batch_norm": lambda a, b: F.batch_norm(a(2, 4), b(4), b(4)),
}
