"""Casts: those of parameters, which an autocast region keeps until it ends."""

import torch

__all__ = ["CastCache"]


class CastCache:
    """The casts of parameters that a region keeps until it ends, so that a weight used twice is cast once."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, torch.dtype], tuple[torch.Tensor, torch.Tensor]] = {}

    def cast(self, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return a tensor in another dtype; that of a parameter is kept, as torch keeps it."""
        lower = dtype in (torch.float16, torch.bfloat16)
        is_kept = lower and tensor.dtype == torch.float32 and tensor.requires_grad and tensor.is_leaf
        if not is_kept or tensor._is_view() or not torch.is_autocast_cache_enabled():
            return tensor.to(dtype)
        key = id(tensor), dtype
        if key not in self._kept:
            self._kept[key] = tensor, tensor.to(dtype)
        return self._kept[key][1]

    def clear(self) -> None:
        """Forget all casts, as happens where the outermost region ends."""
        self._kept.clear()
