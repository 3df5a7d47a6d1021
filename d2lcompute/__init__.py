"""Helpers for the chapter "deep learning computation" of *Dive into Deep Learning*, to import into one's own notebooks."""

from .devices import cpu, gpu, num_gpus, synchronize, try_all_gpus, try_gpu

__all__ = ["cpu", "gpu", "num_gpus", "synchronize", "try_all_gpus", "try_gpu"]
