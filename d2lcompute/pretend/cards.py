"""Cards and hosts: the published figures that a pretended machine reckons with."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

__all__ = ["A100", "EPYC_7742", "Card", "Host"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """The figures of one accelerator card, as its data sheet gives them.

    Attributes:
        name: the card's name, as ``torch.cuda.get_device_name`` would say it.
        flops_per_second: peak floating-point operations a second for each dtype; others count as ``torch.float32``.
        memory_bytes: the size of its memory.
        memory_bytes_per_second: how fast it reads and writes that memory.
        bus_bytes_per_second: how fast data reach it or leave it, in one direction.
        bus_latency_seconds: what any copy costs before its first byte arrives. On no data sheet: a round figure.
        capability: the CUDA compute capability.
        multiprocessors: how many streaming multiprocessors it has.

    Example:
        >>> from dataclasses import replace
        >>> slow = replace(A100, name="half an A100", memory_bytes_per_second=A100.memory_bytes_per_second / 2)
        >>> slow.flops_per_second[torch.float32]
        19500000000000.0
    """

    name: str
    flops_per_second: Mapping[torch.dtype, float]
    memory_bytes: int
    memory_bytes_per_second: float
    bus_bytes_per_second: float
    bus_latency_seconds: float = 10e-6
    capability: tuple[int, int] = (8, 0)
    multiprocessors: int = 108

    def peak(self, dtype: torch.dtype | None) -> float:
        """Return the peak floating-point operations a second for a dtype."""
        return _peak(self.flops_per_second, dtype)


@dataclass(frozen=True, kw_only=True)
class Host:
    """The figures of the processor that gives the orders, and that computes what stays on the CPU.

    Attributes:
        name: the processor's name.
        flops_per_second: peak floating-point operations a second for each dtype.
        memory_bytes_per_second: how fast it reads and writes its memory.
        launch_seconds: what PyTorch and the driver need to give one order. On no data sheet: a round figure.
    """

    name: str
    flops_per_second: Mapping[torch.dtype, float]
    memory_bytes_per_second: float
    launch_seconds: float = 5e-6

    def peak(self, dtype: torch.dtype | None) -> float:
        """Return the peak floating-point operations a second for a dtype."""
        return _peak(self.flops_per_second, dtype)


def _peak(flops_per_second: Mapping[torch.dtype, float], dtype: torch.dtype | None) -> float:
    return flops_per_second.get(dtype or torch.float32, flops_per_second[torch.float32])


# NVIDIA A100 40GB PCIe. Source: "NVIDIA A100 Tensor Core GPU" data sheet (NVIDIA 1758950 r4): FP64 Tensor Core and
# FP32 19.5 TFLOPS, BFLOAT16 and FP16 Tensor Core 312 TFLOPS (dense), 1,555 GB/s, 40 GB, PCIe Gen4 64 GB/s in both
# directions together. FP32 is what PyTorch computes by default: TF32 has to be asked for.
A100 = Card(
    name="NVIDIA A100-PCIE-40GB",
    flops_per_second=MappingProxyType(
        {torch.float64: 19.5e12, torch.float32: 19.5e12, torch.float16: 312e12, torch.bfloat16: 312e12}
    ),
    memory_bytes=40 * 10**9,
    memory_bytes_per_second=1555e9,
    bus_bytes_per_second=32e9,
)

# AMD EPYC 7742. Source: AMD's product page: 64 cores at 2.25 GHz, 204.8 GB/s a socket. Each of its cores completes two
# fused multiply-adds on 256 bits a cycle: 32 operations in float32, 16 in float64.
EPYC_7742 = Host(
    name="AMD EPYC 7742",
    flops_per_second=MappingProxyType({torch.float32: 64 * 2.25e9 * 32, torch.float64: 64 * 2.25e9 * 16}),
    memory_bytes_per_second=204.8e9,
)
