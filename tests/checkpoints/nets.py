"""What the tests of checkpoints share: small nets, their optimizers, all of their bits, and the words of an error."""

import itertools

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import CheckpointError, save_checkpoint


def small():
    """Return a net with parameters, buffers and an integer among them, and an optimizer with momentum."""
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    return net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)


def train(net, optimizer, steps, seed=0):
    """Take some steps on data that depend on the seed alone."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        X, y = torch.randn(8, 3, generator=generator), torch.randn(8, 2, generator=generator)

        def loss(X=X, y=y):
            optimizer.zero_grad()
            value = (net(X) - y).square().mean()
            value.backward()
            return value

        optimizer.step(loss)


def bits(value):
    """Turn a state into something that compares equal only if every bit is equal, also for NaN and float8."""
    if isinstance(value, torch.Tensor):
        raw = value.detach().cpu().clone(memory_format=torch.contiguous_format).flatten().view(torch.uint8)
        return "tensor", str(value.dtype), tuple(value.shape), raw.numpy().tobytes()
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [bits(item) for item in value]
    return value


def everything(net, optimizer=None):
    """Return all bits of a net and its optimizer."""
    return bits(net.state_dict()), optimizer and bits(optimizer.state_dict())


def linear(*sizes, **options):
    """Return a stack of linear layers."""
    return nn.Sequential(*(nn.Linear(a, b, **options) for a, b in itertools.pairwise(sizes)))


def sgd(parameters, **options):
    """Return an optimizer of the class that was saved."""
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, **options)


def save_trained(path):
    """Save a checkpoint of a trained net; return its path, and all bits of what it holds."""
    net, optimizer = small()
    train(net, optimizer, 2)
    save_checkpoint(path, net, optimizer, step=2, extra={"loss": 0.5, "best": torch.arange(3)}, durable=False)
    return path, everything(net, optimizer)


def message_of(function, *arguments, error=CheckpointError, **options):
    """Return the words of the error that a call must raise."""
    with pytest.raises(error) as caught:
        function(*arguments, **options)
    return str(caught.value)


def tied(*, really=True):
    """Return two linear layers that share their weight, or only might."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    if really:
        net[1].weight = net[0].weight
    return net


class Remembering(nn.Linear):
    """A layer with extra state."""

    def __init__(self, memory=None):
        super().__init__(2, 2)
        self.memory = memory

    def get_extra_state(self):
        return self.memory

    def set_extra_state(self, state):
        self.memory = state


def rewrite(path, change):
    """Change what a checkpoint holds, leaving its checksums right."""
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


class Settings:
    """A class that weights_only does not know."""
