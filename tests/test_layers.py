"""The custom layers against nn.Linear and the closed form."""

import copy
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lcompute import CenteredLayer, MyLinear

DTYPES = [torch.float32, torch.float64]


class Doubling:
    """An activation that is an object without a name."""

    def __call__(self, X):
        return 2 * X


def twins(in_units, units, *, bias=True, dtype=torch.float64):
    """Return a MyLinear and an nn.Linear of equal values."""
    ours, theirs = MyLinear(in_units, units, bias=bias, dtype=dtype), nn.Linear(in_units, units, bias=bias, dtype=dtype)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight.T)
        if bias:
            theirs.bias.copy_(ours.bias)
    return ours, theirs


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from(DTYPES),
    st.sampled_from([None, F.relu, torch.tanh]),
)
def test_mylinear_values_and_gradients_equal_linear(in_units, units, bias, batch, dtype, activation):
    """For any sizes, batch dimensions and types the output and all gradients are nn.Linear's."""
    ours, theirs = twins(in_units, units, bias=bias, dtype=dtype)
    ours.activation = activation
    X = torch.randn(*batch, in_units, dtype=dtype, requires_grad=True)
    X_too = X.detach().clone().requires_grad_()

    Y, reference = ours(X), (activation or (lambda t: t))(theirs(X_too))
    Y.square().sum().backward()
    reference.square().sum().backward()

    torch.testing.assert_close(Y, reference)
    torch.testing.assert_close(X.grad, X_too.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad.T)
    if bias:
        torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)


def test_mylinear_learns():
    """A few steps of gradient descent bring the loss down, which the book's version cannot do."""
    torch.manual_seed(0)
    layer = MyLinear(3, 1)
    X = torch.randn(64, 3)
    target = X @ torch.tensor([[1.0], [-2.0], [0.5]])
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

    for _ in range(100):
        optimizer.zero_grad()
        loss = F.mse_loss(layer(X), target)
        loss.backward()
        optimizer.step()

    assert loss.item() < 1e-4


def test_mylinear_initial_values_are_uniform_within_the_bound():
    """Weight and bias fill ±1/√in_units and have the variance 1 / (3 in_units) of nn.Linear's default."""
    torch.manual_seed(0)
    layer = MyLinear(400, 900)

    values = layer.weight.detach()

    assert values.abs().max() <= 1 / 20
    assert values.abs().max() > 0.99 / 20
    torch.testing.assert_close(values.var(), torch.tensor(1 / 1200), rtol=0.02, atol=0)
    assert 0.9 / 20 < layer.bias.abs().max() <= 1 / 20


def test_mylinear_reset_parameters_draws_anew():
    """reset_parameters fills the same parameters with other values, the ones that the seed gives."""
    layer = MyLinear(4, 3)
    weight, before = layer.weight, layer.weight.detach().clone()

    torch.manual_seed(1)
    layer.reset_parameters()
    first = layer.weight.detach().clone()
    torch.manual_seed(1)
    layer.reset_parameters()

    assert layer.weight is weight
    assert not torch.equal(weight, before)
    assert torch.equal(weight, first)


def test_mylinear_takes_device_and_dtype():
    """Device and dtype arrive at both parameters."""
    layer = MyLinear(4, 3, device="meta", dtype=torch.bfloat16)

    assert {(p.device.type, p.dtype) for p in layer.parameters()} == {("meta", torch.bfloat16)}


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (MyLinear(5, 3), "MyLinear(in_units=5, units=3, bias=True)"),
        (MyLinear(5, 3, bias=False, activation=F.relu), "MyLinear(in_units=5, units=3, bias=False, activation=relu)"),
        (MyLinear(5, 3, activation=Doubling()), "MyLinear(in_units=5, units=3, bias=True, activation=Doubling)"),
        (CenteredLayer(), "CenteredLayer()"),
        (CenteredLayer(-1), "CenteredLayer(dim=-1)"),
    ],
)
def test_layers_show_their_arguments(layer, text):
    """The repr names sizes, bias, activation and dimension."""
    assert repr(layer) == text


def test_mylinear_activation_may_be_a_module():
    """An activation that is a module is registered, so that its parameters are trained and saved."""
    layer = MyLinear(5, 3, activation=nn.PReLU())

    assert list(layer.state_dict()) == ["weight", "bias", "activation.weight"]
    assert "(activation): PReLU(num_parameters=1)" in repr(layer)


def test_mylinear_reset_parameters_leaves_the_activation_alone():
    """The parameters of an activation are its own: drawing the layer's anew does not touch them."""
    layer = MyLinear(5, 3, activation=nn.PReLU(init=0.125))

    layer.reset_parameters()

    assert layer.activation.weight.item() == 0.125


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 3), ValueError, "in_units must be 1 or more; got 0"),
        ((4, -2), ValueError, "units must be 1 or more; got -2"),
        ((4.0, 3), TypeError, r"in_units must be an integer; got 4\.0 \(float\)"),
        ((4, True), TypeError, r"units must be an integer; got True \(bool\)"),
    ],
)
def test_mylinear_refuses_impossible_sizes(arguments, error, message):
    """A size that is no positive integer is named in the error."""
    with pytest.raises(error, match=message):
        MyLinear(*arguments)


def test_mylinear_refuses_an_activation_that_is_no_function():
    """The name of an activation is not taken for the function."""
    with pytest.raises(TypeError, match=r"activation must be a function such as F\.relu, or None; got 'relu'"):
        MyLinear(4, 3, activation="relu")


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_mylinear_survives_copying(copy_of):
    """A copy computes the same and shares no parameter."""
    layer = MyLinear(4, 3, activation=F.relu)
    X = torch.randn(2, 4)

    other = copy_of(layer)

    assert torch.equal(other(X), layer(X))
    assert other.weight is not layer.weight


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("dim", [None, 0, 1, -1])
def test_centeredlayer_has_mean_zero_and_the_closed_forms_gradient(dim, dtype):
    """The output's mean is 0 over the dimension, and the gradient is the upstream one minus its own mean."""
    X = torch.randn(4, 6, dtype=dtype, requires_grad=True)
    upstream = torch.randn(4, 6, dtype=dtype)

    Y = CenteredLayer(dim)(X)
    Y.backward(upstream)

    def mean(T):
        return T.mean() if dim is None else T.mean(dim, keepdim=True)

    torch.testing.assert_close(Y, X - mean(X))
    torch.testing.assert_close(mean(Y), torch.zeros_like(mean(Y)))
    torch.testing.assert_close(X.grad, upstream - mean(upstream))


@pytest.mark.parametrize(
    ("dim", "came"), [("rows", r"'rows' \(str\)"), (1.0, r"1\.0 \(float\)"), (True, r"True \(bool\)")]
)
def test_centeredlayer_refuses_a_dimension_that_is_no_integer(dim, came):
    """What is no integer and not None is named in the error when the layer is made, not when it runs."""
    with pytest.raises(TypeError, match=rf"^dim must be an integer, or None for all elements; got {came}$"):
        CenteredLayer(dim)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            torch.ones(2, 3),
            ValueError,
            r"^X must have 5 features .*; got an input of shape \(2, 3\) for a weight of shape \(5, 4\)$",
        ),
        (torch.ones(2, 2, 3), ValueError, r"got an input of shape \(2, 2, 3\)"),
        (torch.tensor(1.0), ValueError, r"got an input of shape \(\)"),
        (
            torch.ones(2, 5, dtype=torch.long),
            TypeError,
            r"^X must have the dtype of the layer's weight, torch\.float32; got torch\.int64",
        ),
        (
            torch.ones(5, dtype=torch.float64),
            TypeError,
            r"got torch\.float64 of shape \(5,\): write X\.to\(torch\.float32\)",
        ),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_mylinear_says_what_an_input_lacks(X, error, message, bias):
    """An input of another width or dtype is refused in the layer's own words, with both shapes or both dtypes."""
    with pytest.raises(error, match=message):
        MyLinear(5, 4, bias=bias)(X)


def test_mylinear_leaves_other_errors_to_torch():
    """An error that has another cause keeps torch's words."""
    layer = MyLinear(5, 4)

    with pytest.raises(RuntimeError, match=r"shape|scalar"):
        layer(torch.ones(2, 5)).sum().backward(torch.ones(3))


def test_sizes_may_be_numpy_integers():
    """What ``nn.Linear`` takes as a size, this layer takes, and keeps as a plain integer."""
    layer = MyLinear(np.int64(3), np.int32(2))

    assert (type(layer.in_units), layer.weight.shape) == (int, (3, 2))
