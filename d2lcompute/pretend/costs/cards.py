"""Cards and hosts: the published figures that a pretended machine is modelled with."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

__all__ = ["A100", "A100_PUBLISHED_FLOPS_PER_SECOND", "EPYC_7742", "H200", "Card", "Host"]


@dataclass(frozen=True, kw_only=True)
class Processor:
    """The figures that both kinds of processor have.

    Attributes:
        name: its name.
        flops_per_second: peak floating-point operations a second for each dtype; others count as ``torch.float32``.
        memory_bytes_per_second: how fast it reads and writes its memory.
    """

    name: str
    flops_per_second: Mapping[torch.dtype, float]
    memory_bytes_per_second: float

    def seconds(self, flops: float, nbytes: float, dtype: torch.dtype = torch.float32) -> float:
        """Return what an operation takes: the larger of FLOPs over peak and bytes over bandwidth.

        Args:
            flops: its floating-point operations.
            nbytes: the bytes that it reads and writes.
            dtype: what it computes in.

        Example:
            >>> A100.seconds(flops=2 * 1000**3, nbytes=3 * 4 * 1000**2) == 2e9 / 19.5e12
            True
        """
        peak = self.flops_per_second.get(dtype, self.flops_per_second[torch.float32])
        return max(flops / peak, nbytes / self.memory_bytes_per_second)


@dataclass(frozen=True, kw_only=True)
class Card(Processor):
    """The figures of one accelerator card, as its data sheet gives them.

    Attributes:
        name: the card's name, as ``torch.cuda.get_device_name`` would say it.
        memory_bytes: the size of its memory: what does not fit raises ``torch.OutOfMemoryError``.
        bus_bytes_per_second: how fast data reach it or leave it, in one direction.
        bus_latency_seconds: what any copy costs before its first byte arrives. On no data sheet: a round figure.
        capability: the CUDA compute capability.
        multiprocessors: how many streaming multiprocessors it has.

    Example:
        >>> from dataclasses import replace
        >>> slow = replace(A100, name="an A100 on a slow bus", bus_bytes_per_second=1e9)
        >>> slow.seconds(flops=0, nbytes=1555) == A100.seconds(flops=0, nbytes=1555) == 1e-9
        True
    """

    memory_bytes: int
    bus_bytes_per_second: float
    bus_latency_seconds: float = 10e-6
    capability: tuple[int, int] = (8, 0)
    multiprocessors: int = 108


@dataclass(frozen=True, kw_only=True)
class Host(Processor):
    """The figures of the processor that launches kernels, and that computes what stays on the CPU.

    Attributes:
        launch_seconds: what PyTorch and the driver need to launch one kernel. On no data sheet: a round figure.
        call_seconds: what PyTorch needs to start an operation on the CPU itself. A round figure too.
    """

    launch_seconds: float = 5e-6
    call_seconds: float = 1e-6


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

# NVIDIA H200 SXM. Source: "NVIDIA H200 Tensor Core GPU" data sheet: FP64 Tensor Core and FP32 67 TFLOPS, BFLOAT16 and
# FP16 Tensor Core 1,979 TFLOPS with sparsity, of which half without; 4.8 TB/s, 141 GB, PCIe Gen5 128 GB/s in both
# directions together.
H200 = Card(
    name="NVIDIA H200",
    flops_per_second=MappingProxyType(
        {torch.float64: 67e12, torch.float32: 67e12, torch.float16: 989.5e12, torch.bfloat16: 989.5e12}
    ),
    memory_bytes=141 * 10**9,
    memory_bytes_per_second=4.8e12,
    bus_bytes_per_second=64e9,
    capability=(9, 0),
    multiprocessors=132,
)

# What others measured on an A100, to hold the model against: square matrix products in PyTorch 2.8 (CUDA 12.8),
# dtype → size → operations a second. Source: github.com/zzc0721/torch-performance-test-data, issue 108.
A100_PUBLISHED_FLOPS_PER_SECOND = MappingProxyType(
    {
        torch.float32: {1024: 8.99e12, 2048: 9.69e12, 4096: 15.52e12, 8192: 17.56e12, 10240: 16.67e12},
        torch.float16: {1024: 83.66e12, 2048: 214.73e12, 4096: 241.49e12, 8192: 197.51e12, 10240: 205.66e12},
        torch.bfloat16: {1024: 94.89e12, 2048: 138.46e12, 4096: 234.14e12, 8192: 215.26e12, 10240: 211.72e12},
    }
)

# AMD EPYC 7742. Source: AMD's product page: 64 cores at 2.25 GHz, 204.8 GB/s a socket. Each of its cores completes two
# fused multiply-adds on 256 bits a cycle: 32 operations in float32, 16 in float64.
EPYC_7742 = Host(
    name="AMD EPYC 7742",
    flops_per_second=MappingProxyType({torch.float32: 64 * 2.25e9 * 32, torch.float64: 64 * 2.25e9 * 16}),
    memory_bytes_per_second=204.8e9,
)
