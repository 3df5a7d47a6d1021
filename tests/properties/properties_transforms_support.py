"""The modules that the tests of transforms share."""

from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d2lcompute import MLP, CenteredLayer, FixedHiddenMLP, MyLinear, MySequential, NestMLP


@dataclass(frozen=True)
class Case:
    """A module, what makes it, and whether what it computes depends on values in a way that no trace can follow."""

    make: object
    branches: bool = False


def shared():
    """Return a sequence in which one layer runs twice."""
    layer = nn.Linear(20, 20)
    return MySequential(layer, nn.Tanh(), layer, nn.Linear(20, 3))


CASES = {
    "MLP": Case(lambda: MLP(hidden_features=7)),
    "MySequential": Case(shared),
    "FixedHiddenMLP": Case(FixedHiddenMLP, branches=True),
    "NestMLP": Case(NestMLP),
    "CenteredLayer": Case(CenteredLayer),
    "CenteredLayer of rows": Case(lambda: CenteredLayer(-1)),
    "MyLinear": Case(lambda: MyLinear(20, 3, activation=F.relu)),
    "MyLinear with a layer": Case(lambda: MyLinear(20, 3, bias=False, activation=nn.PReLU())),
}


EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


TRACEABLE = pytest.mark.parametrize(
    "case", [case for case in CASES.values() if not case.branches], ids=[n for n, c in CASES.items() if not c.branches]
)


def batch(*shape, dtype=torch.float32):
    """Return the same numbers for the same shape."""
    return torch.randn(*(shape or (4,)), 20, dtype=dtype, generator=torch.Generator().manual_seed(1))


def results(net, X):
    """Return the output and the gradients of its square's sum by input and parameters, each parameter once."""
    X = X.clone().requires_grad_()
    Y = net(X)
    return [Y, *torch.autograd.grad(Y.square().sum(), [X, *net.parameters()])]


def results_or_none(net, X):
    """Return the results, or None if some parameter has no part in them."""
    try:
        return results(net, X)
    except RuntimeError:
        return None


def same(ours, theirs, **options):
    """Say whether two lists of tensors are close, and as long; without options, bit for bit."""
    tolerance = options or {"rtol": 0, "atol": 0}
    try:
        torch.testing.assert_close(ours, theirs, **tolerance)
    except AssertionError:
        return False
    return True


class Remembering(nn.Module):
    """A layer that remembers its weight, and multiplies by that."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(20, 3))
        self.remembered = [self.weight]

    def forward(self, X):
        return X @ self.remembered[0]


class Data(MyLinear):
    """The book's layer."""

    def __init__(self):
        super().__init__(20, 3)

    def forward(self, X):
        return X @ self.weight.data + self.bias.data
