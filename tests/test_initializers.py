"""The initializers against the distributions that they promise."""

import pytest
import torch
from torch import nn

from d2lcompute import MyLinear, init_42, init_constant, init_normal, init_xavier, my_init

ALL = [init_normal, init_constant, init_xavier, init_42, my_init]


class Wide(nn.Linear):
    """A subclass, as users write them."""


@pytest.fixture(autouse=True)
def seed():
    """Draw the same numbers in every run."""
    torch.manual_seed(0)


def test_init_normal_has_mean_0_and_std_0_01():
    """Weights follow N(0, 0.01²): a million of them meet the standard deviation within 1 %, and biases are 0."""
    layer = nn.Linear(1000, 1000).apply(init_normal)

    assert abs(layer.weight.mean()) < 5e-5
    torch.testing.assert_close(layer.weight.std().item(), 0.01, rtol=0.01, atol=0)
    assert (layer.bias == 0).all()


def test_init_constant_is_1_and_bias_0():
    """Weights are 1, biases 0."""
    layer = nn.Linear(4, 3).apply(init_constant)

    assert (layer.weight == 1).all()
    assert (layer.bias == 0).all()


def test_init_xavier_fills_the_bound_and_leaves_the_bias():
    """Weights are uniform between ±√(6 / (inputs + outputs)), and the bias stays as it was."""
    layer = nn.Linear(200, 400)
    bias = layer.bias.detach().clone()

    layer.apply(init_xavier)

    bound = (6 / 600) ** 0.5
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    torch.testing.assert_close(layer.weight.var().item(), bound**2 / 3, rtol=0.02, atol=0)
    assert torch.equal(layer.bias, bias)


def test_init_42_fills_42_and_leaves_the_bias():
    """Weights are 42, and the bias stays as it was."""
    layer = nn.Linear(4, 3)
    bias = layer.bias.detach().clone()

    layer.apply(init_42)

    assert (layer.weight == 42).all()
    assert torch.equal(layer.bias, bias)


def test_my_init_zeroes_half_of_a_uniform_distribution():
    """Half of the weights are 0; the others have magnitudes between 5 and 10, both signs."""
    layer = nn.Linear(500, 500).apply(my_init)

    magnitudes = layer.weight.detach().abs()
    kept = magnitudes[magnitudes > 0]

    assert (kept >= 5).all()
    assert kept.max() > 9.99
    torch.testing.assert_close(kept.numel() / magnitudes.numel(), 0.5, rtol=0.02, atol=0)
    torch.testing.assert_close(kept.mean().item(), 7.5, rtol=0.01, atol=0)
    assert layer.weight.min() < -5 < 5 < layer.weight.max()
    assert layer.weight.requires_grad


@pytest.mark.parametrize("initializer", ALL)
def test_initializers_reach_subclasses(initializer):
    """A subclass of nn.Linear is filled as nn.Linear is; a test for the exact type would skip it."""
    torch.manual_seed(1)
    plain = nn.Linear(4, 3).apply(initializer)
    torch.manual_seed(1)
    wide = Wide(4, 3).apply(initializer)

    assert torch.equal(plain.weight, wide.weight)
    assert torch.equal(plain.bias, wide.bias)


@pytest.mark.parametrize("initializer", ALL)
def test_initializers_touch_linear_layers_only(initializer):
    """Other modules with weights keep them, and a linear layer without bias is no obstacle."""
    others = nn.ModuleList([nn.Conv1d(2, 3, 1), nn.LayerNorm(4), nn.Embedding(3, 2), MyLinear(2, 3)])
    before = {name: value.clone() for name, value in others.state_dict().items()}
    linear = nn.Linear(4, 4, bias=False)
    weight = linear.weight.detach().clone()

    nn.Sequential(others, linear).apply(initializer)

    assert all(torch.equal(before[name], value) for name, value in others.state_dict().items())
    assert not torch.equal(weight, linear.weight)


@pytest.mark.parametrize("initializer", ALL)
def test_initializers_refuse_a_lazy_layer_before_its_data(initializer):
    """A lazy layer is never skipped in silence: the error says to run the net once; after that it is filled."""
    net = nn.Sequential(nn.LazyLinear(3), nn.ReLU())

    with pytest.raises(RuntimeError, match=r"LazyLinear has no values to fill yet: .* Run the net once on a batch"):
        net.apply(initializer)

    net(torch.zeros(1, 4))
    weight = net[0].weight.detach().clone()
    net.apply(initializer)
    assert not torch.equal(weight, net[0].weight)


@pytest.mark.parametrize("initializer", ALL)
def test_initializers_leave_no_history(initializer):
    """Filling is not recorded by autograd: the parameters stay leaves."""
    layer = nn.Linear(4, 3).apply(initializer)

    assert layer.weight.is_leaf
    assert layer.weight.grad_fn is None
