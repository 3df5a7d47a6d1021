"""Autocast: which arguments ``torch.autocast("cuda")`` casts, by PyTorch's own lists; the values are really rounded.

A region is open while ``torch.is_autocast_enabled("cuda")`` says so; torch keeps that state itself. Here the arguments
of a function are cast before it runs, so that autograd records the casts and results have the dtypes of a real device.

Source:
    PyTorch, ``aten/src/ATen/autocast_mode.h``, and "CUDA Ops that can autocast to float16", "… to float32" and "… that
    promote to the widest input type" in its documentation of ``torch.amp``.
"""

from dataclasses import replace
from typing import Any

import torch

from ..casts import CastCache
from ..hardware import Hardware
from ..operations import Call
from ..placement import Places
from .handler import handles

__all__ = ["FLOAT32", "LOWER_PRECISION", "WIDEST", "cast_arguments"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


LOWER_PRECISION = _names(
    """
    __matmul__ __rmatmul__ matmul mm mv bmm addmm addmv addr addbmm baddbmm chain_matmul linalg_multi_dot
    linalg_vecdot einsum linear conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d
    convolution prelu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell scaled_dot_product_attention
    """
)
# cuDNN's recurrent layers are cast to float16 whatever the region's dtype is.
_HALF = _names(
    """
    lstm gru rnn_tanh rnn_relu
    """
)
FLOAT32 = _names(
    """
    acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow __pow__ __rpow__ softplus
    layer_norm native_layer_norm group_norm frobenius_norm nuclear_norm norm cosine_similarity logsumexp dist pdist
    cdist renorm prod softmax log_softmax cumprod cumsum sum linalg_vector_norm linalg_matrix_norm
    cross_entropy_loss nll_loss nll_loss_nd poisson_nll_loss cosine_embedding_loss hinge_embedding_loss kl_div
    l1_loss smooth_l1_loss huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss
    triplet_margin_loss multi_margin_loss binary_cross_entropy_with_logits upsample_nearest1d upsample_nearest2d
    upsample_nearest3d upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
    """
)
WIDEST = _names(
    """
    addcdiv addcmul atan2 bilinear cross dot vdot grid_sampler index_put scatter_add tensordot cat stack
    """
)
_UNSAFE = (
    "torch.nn.functional.binary_cross_entropy and torch.nn.BCELoss are unsafe to autocast.\n"
    "Many models use a sigmoid layer right before the binary cross entropy layer.\n"
    "In this case, combine the two layers using torch.nn.functional.binary_cross_entropy_with_logits\n"
    "or torch.nn.BCEWithLogitsLoss.  binary_cross_entropy_with_logits and BCEWithLogits are\n"
    "safe to autocast."
)


def cast_arguments(call: Call, places: Places, cache: CastCache) -> Call:
    """Return a call as it is made inside an autocast region: with the arguments that are on a device cast.

    Args:
        call: a call of a function that torch does not write in Python.
        places: where tensors are; those on the CPU stay as they are.
        cache: the casts that are kept.

    Raises:
        RuntimeError: for ``binary_cross_entropy``, which torch refuses in a region.
    """
    name = getattr(call.func, "__name__", "")
    if name == "binary_cross_entropy" and any(_is_eligible(tensor, places) for tensor in call.tensors):
        raise RuntimeError(_UNSAFE)
    dtype = _dtype_for(name, call, places)
    if dtype is None:
        return call

    def cast(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return cache.cast(value, dtype) if _is_eligible(value, places) and value.dtype != dtype else value
        if type(value) in (list, tuple):
            return type(value)(map(cast, value))
        return value

    return replace(
        call, args=tuple(map(cast, call.args)), kwargs={key: cast(value) for key, value in call.kwargs.items()}
    )


@handles(torch._C._nn.cross_entropy_loss)
def _cross_entropy(machine: Hardware, call: Call) -> Any:
    """Take the loss apart as torch does: its ``log_softmax`` stays in the dtype of the scores, 16 bits in a region.

    With label smoothing, and for targets that are probabilities, all of it is computed in float32 here.
    """
    scores, target, weight, reduction, ignored, smoothing = call.args
    if torch.is_autocast_enabled("cuda"):
        if not (smoothing or target.is_floating_point()):
            with machine.calls:
                logs = torch.log_softmax(scores, min(1, scores.dim() - 1), dtype=scores.dtype)
                return torch._C._nn.nll_loss_nd(logs, target, weight, reduction, ignored)
        call = cast_arguments(call, machine.places, machine.casts)
    with machine.places.calling(call):
        return call.run()


def _dtype_for(name: str, call: Call, places: Places) -> torch.dtype | None:
    """Return the dtype that a function's arguments are cast to, or None if it takes them as they are."""
    if call.kwargs.get("out") is not None:
        return None
    if name in LOWER_PRECISION:
        return torch.get_autocast_dtype("cuda")
    if name in _HALF:
        return torch.float16
    if name in FLOAT32:
        return None if _names_a_dtype(call) else torch.float32
    if name in WIDEST:
        is_mixed = any(tensor.dtype == torch.float32 and _is_eligible(tensor, places) for tensor in call.tensors)
        return torch.float32 if is_mixed else torch.get_autocast_dtype("cuda")
    return None


def _names_a_dtype(call: Call) -> bool:
    """Return whether a program says in which dtype it wants a sum or a softmax."""
    return call.kwargs.get("dtype") is not None or any(isinstance(value, torch.dtype) for value in call.args)


def _is_eligible(tensor: torch.Tensor, places: Places) -> bool:
    """Return whether autocast may cast a tensor: a floating-point one on a device, but for float64."""
    return tensor.is_floating_point() and tensor.dtype != torch.float64 and places.of(tensor).type == "cuda"
