"""Devices and stand-ins that the tests of the machine share."""

import torch
from torch import nn

CPU, GPU0, GPU1 = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")


MIXED = "Expected all tensors to be on the same device, but found at least two devices, {} and {}!"


def mlp():
    """Return a small net with the same parameters at each call."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 1))
