"""Nets and readings of drawings that the tests of block diagrams share."""

import torch
from torch import nn


class NestMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)


class FixedHidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(20))
        self.register_buffer("rand_weight", torch.ones(20, 20))
        self.linear = nn.Linear(20, 20)


def plain():
    """Make a net of three layers."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))


def chimera():
    """Make the book's net of nets, with a block that has tensors of its own."""
    return nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHidden())


def four_alike():
    """Make the book's regular net: four equal blocks of two layers, 23 boxes in all."""
    blocks = [nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 4), nn.ReLU()) for _ in range(4)]
    return nn.Sequential(nn.Sequential(*blocks), nn.Linear(4, 1))


def encoder(layers=12):
    """Make a stack of equal transformer layers."""
    layer = nn.TransformerEncoderLayer(64, 4, 256, batch_first=True)
    return nn.TransformerEncoder(layer, layers)


def long():
    """Make a net of many different layers."""
    return nn.Sequential(*[nn.Linear(i + 1, i + 2) for i in range(60)])


def deep(levels=40):
    """Make a net of blocks in blocks in blocks."""
    net = nn.Sequential(nn.Linear(2, 2))
    for _ in range(levels):
        net = nn.Sequential(net)
    return net


def boxes(ax):
    """Return each block's box by the block's path."""
    return {patch.get_gid().removeprefix("block:"): patch for patch in ax.patches}


def words(ax, path):
    """Return the texts in one block's own box."""
    return [text.get_text() for text in ax.texts if text.get_gid() == f"block:{path}" and text.get_text()]


def holds(outer, inner, slack=0.5):
    """Tell whether one extent lies in another, to half a pixel."""
    return (
        outer.x0 - slack <= inner.x0
        and outer.y0 - slack <= inner.y0
        and inner.x1 <= outer.x1 + slack
        and inner.y1 <= outer.y1 + slack
    )
