"""Helpers for the chapter "deep learning computation" of *Dive into Deep Learning*, for one's own notebooks."""

from .blocks import MLP, FixedHiddenMLP, MySequential, NestMLP
from .devices import cpu, gpu, num_gpus, synchronize, try_all_gpus, try_gpu
from .initializers import init_42, init_constant, init_normal, init_xavier, my_init
from .layers import CenteredLayer, MyLinear
from .parameters import count_parameters, parameter_table, tied_groups
from .timing import Measurement, Timer, benchmark

__all__ = [
    "MLP",
    "CenteredLayer",
    "FixedHiddenMLP",
    "Measurement",
    "MyLinear",
    "MySequential",
    "NestMLP",
    "Timer",
    "benchmark",
    "count_parameters",
    "cpu",
    "gpu",
    "init_42",
    "init_constant",
    "init_normal",
    "init_xavier",
    "my_init",
    "num_gpus",
    "parameter_table",
    "synchronize",
    "tied_groups",
    "try_all_gpus",
    "try_gpu",
]
