"""Hooks and parametrizations work as on torch's own modules."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from d2lcompute import MyLinear
from tests.properties.properties_transforms_support import (
    CASES,
    EVERY,
    Data,
    Remembering,
    batch,
    results,
    results_or_none,
    same,
    shared,
)


class Calling(nn.Module):
    """A block that calls forward, which runs no hook."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(20, 20)

    def forward(self, X):
        return self.inner.forward(X)


def faults_of_hooks(net):
    """Return what is wrong when hooks are put on a module and on each module in it."""
    X, faults = batch(), []
    Y, calls = net(X), []
    handles = [net.register_forward_pre_hook(lambda module, inputs: (2 * inputs[0],))]
    handles += [net.register_forward_hook(lambda module, inputs, output: -output)]
    faults += [] if same(net(X), -without(handles, net, 2 * X)) else ["values"]
    inner = [module for module in net.modules() if module is not net and [*module.parameters(recurse=False)]]
    handles = [m.register_forward_hook(lambda module, *_: calls.append(module)) for m in inner]
    net(X)
    faults += [] if {*map(id, calls)} == {*map(id, inner)} else ["inner modules"]
    remove(handles)
    seen = []
    handle = net.register_full_backward_hook(lambda module, *gradients: seen.extend(g for (g,) in gradients))
    given = X.clone().requires_grad_()
    net(given).backward(torch.ones_like(Y))
    handle.remove()
    faults += [] if len(seen) == 2 and same(seen, [given.grad, torch.ones_like(Y)]) else ["backward"]
    return faults if same(net(X), Y) else [*faults, "left behind"]


def remove(handles):
    """Take hooks off again."""
    for handle in handles:
        handle.remove()


def without(handles, net, X):
    """Take hooks off again, and return what the module computes without them."""
    remove(handles)
    return net(X)


@EVERY
def test_modules_run_hooks(case):
    """Forward, pre and backward hooks see and change what they should, also on each inner layer, and come off again."""
    assert faults_of_hooks(case.make()) == []


def test_modules_run_hooks_of_a_shared_block_each_time():
    """A layer that runs twice runs its hook twice, in order."""
    net, calls = shared(), []
    for block in {id(block): block for block in net}.values():
        block.register_forward_hook(lambda module, *_: calls.append(module))

    net(batch())

    assert calls == list(net)


def test_hooks_test_rejects_a_block_that_calls_forward():
    """Calling forward instead of the module runs no hook; the test sees it."""
    assert faults_of_hooks(Calling()) == ["inner modules"]


@EVERY
def test_modules_run_hooks_on_their_state(case):
    """Hooks that rename the keys when a state is taken and back when it is loaded make a round trip."""
    net, other = case.make(), case.make()

    def rename(module, state, prefix, *_):
        for key in [key for key in state if key.startswith(prefix)]:
            state[f"renamed.{key}"] = state.pop(key)

    def back(module, state, prefix, *_):
        for key in [key for key in state if key.startswith("renamed.")]:
            state[key.removeprefix("renamed.")] = state.pop(key)

    net.register_state_dict_post_hook(rename)
    other.register_load_state_dict_pre_hook(back)
    state = net.state_dict()
    other.load_state_dict(state)

    assert all(key.startswith("renamed.") for key in state)
    assert same(results(other, batch()), results(net, batch()))


LAYERS = (nn.Linear, MyLinear)


def linear_layers(net):
    """Return the layers with a weight in a module, itself included."""
    return [module for module in net.modules() if isinstance(module, LAYERS) or type(module) in (Remembering, Data)]


def faults_of_weight_norm(net):
    """Return what is wrong after each weight was split into length and direction."""
    X = batch()
    expected = results_or_none(net, X)
    weights = [layer.weight for layer in linear_layers(net)]
    for layer in linear_layers(net):
        parametrizations.weight_norm(layer)
    found = results_or_none(net, X)
    if expected is None or found is None:
        return ["no gradient"]
    faults = [] if same(found[:2], expected[:2], rtol=1e-4, atol=1e-5) else ["values"]
    lengths = [layer.parametrizations.weight.original0 for layer in linear_layers(net)]
    with torch.no_grad():
        for length in lengths:
            length *= 0
    Y = net(X)
    for layer, weight in zip(linear_layers(net), weights, strict=True):
        faults += [] if layer.weight.count_nonzero() == 0 and layer.weight.shape == weight.shape else ["weight"]
    return faults if same(Y, net(torch.zeros_like(X))) else [*faults, "not used"]


WITH_WEIGHTS = pytest.mark.parametrize(
    "case", [CASES[name] for name in CASES if "Centered" not in name], ids=[n for n in CASES if "Centered" not in n]
)


@WITH_WEIGHTS
def test_modules_take_weight_norm(case):
    """Split into length and direction, weights give the same results; with length 0 the input has no effect."""
    assert faults_of_weight_norm(case.make()) == []


@pytest.mark.parametrize(("wrong", "faults"), [(Remembering, ["no gradient"]), (Data, ["no gradient"])])
def test_weight_norm_test_rejects_wrong_layers(wrong, faults):
    """A layer that remembers its weight, and the book's layer, give the new parameters no gradient."""
    assert faults_of_weight_norm(wrong()) == faults


@WITH_WEIGHTS
def test_modules_take_spectral_norm(case):
    """With spectral_norm each weight's largest singular value is 1, gradients reach it, and it comes off again."""
    net = case.make()
    for layer in linear_layers(net):
        parametrizations.spectral_norm(layer, n_power_iterations=100)

    values = [torch.linalg.matrix_norm(layer.weight.detach(), ord=2) for layer in linear_layers(net)]
    gradients = results(net, batch())[1:]
    for layer in linear_layers(net):
        parametrize.remove_parametrizations(layer, "weight")

    assert same(values, [torch.ones(())] * len(values), rtol=1e-3, atol=1e-3)
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert all(layer.weight.is_leaf and type(layer) in LAYERS for layer in linear_layers(net))


def test_mylinear_takes_a_parametrization_of_ones_own():
    """A weight made triangular on the way is used as such, and what is cut off gets no gradient."""

    class Triangle(nn.Module):
        def forward(self, weight):
            return weight.triu()

    layer = MyLinear(20, 20)
    parametrize.register_parametrization(layer, "weight", Triangle())
    X = batch()

    Y = layer(X)
    Y.sum().backward()

    original = layer.parametrizations.weight.original
    torch.testing.assert_close(Y, X @ original.triu() + layer.bias)
    assert original.grad.tril(-1).count_nonzero() == 0
    assert original.grad.triu().count_nonzero() == 210
