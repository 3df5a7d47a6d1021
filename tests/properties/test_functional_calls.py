"""Functional calls, and batches of everything."""

import copy

import pytest
import torch
from torch import nn
from torch.func import grad, stack_module_state, vmap

from d2lcompute import MySequential
from tests.properties.properties_transforms_support import (
    EVERY,
    TRACEABLE,
    Data,
    Remembering,
    batch,
    results,
    results_or_none,
    same,
    shared,
)


def functional_call(net, values, inputs):
    """Call a module with other values.

    Without tie_weights=False torch (2.6 to 2.14) leaves the given tensors in a block that appears in two places: its
    issue 164759. The values of such a block have one name each, and need no tying.
    """
    return torch.func.functional_call(net, values, inputs, tie_weights=False)


@pytest.mark.parametrize("tie_weights", [True, False])
def test_functional_call_treats_a_shared_block_as_in_sequential(tie_weights):
    """Whatever functional_call does to a block in two places, it does in nn.Sequential too; untied, it changes none."""
    nets = [kind(*shared()) for kind in (MySequential, nn.Sequential)]
    before = [net[0].weight for net in nets]

    for net in nets:
        halves = {name: parameter.detach() / 2 for name, parameter in net.named_parameters()}
        torch.func.functional_call(net, halves, (batch(),), tie_weights=tie_weights)

    kept = [net[0].weight is weight for net, weight in zip(nets, before, strict=True)]
    assert kept[0] == kept[1]
    assert tie_weights or kept == [True, True]


def faults_of_a_functional_call(net):
    """Return what is wrong when a module is called with other values for its parameters and buffers."""
    X, other = batch(), copy.deepcopy(net)
    with torch.no_grad():
        for value in {id(value): value for value in other.state_dict(keep_vars=True).values()}.values():
            value *= 0.5
    values = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    before = copy.deepcopy(net.state_dict())
    faults = [] if same(functional_call(net, values, (X,)), other(X)) else ["values"]
    if parameters := dict(other.named_parameters()):
        gradients = grad(lambda chosen: functional_call(net, {**values, **chosen}, (X,)).square().sum())(parameters)
        expected = results_or_none(other, X)
        fits = expected and same(list(gradients.values()), expected[2:], rtol=1e-5, atol=1e-6)
        faults += [] if fits else ["gradients"]
    return faults if same(list(net.state_dict().values()), list(before.values())) else [*faults, "changed"]


@EVERY
def test_modules_can_be_called_with_other_values(case):
    """functional_call computes what the module would with those values, gradients included, and changes nothing."""
    assert faults_of_a_functional_call(case.make()) == []


@pytest.mark.parametrize(("wrong", "faults"), [(Remembering, ["values", "gradients"]), (Data, ["gradients"])])
def test_functional_call_test_rejects_wrong_layers(wrong, faults):
    """A layer that remembers its weight, and the book's layer without a gradient, are both seen."""
    assert faults_of_a_functional_call(wrong()) == faults


@TRACEABLE
def test_modules_run_as_an_ensemble(case):
    """Vmap over the stacked parameters of three modules computes what the three compute one after the other."""
    nets = [case.make() for _ in range(3)]
    X = batch(3, 4)
    parameters, buffers = stack_module_state(nets) if [*nets[0].parameters()] else ({}, {})
    skeleton = copy.deepcopy(nets[0]).to("meta")

    Y = vmap(lambda p, b, x: functional_call(skeleton, (p, b), (x,)), in_dims=(0, 0, 0))(parameters, buffers, X)

    assert same(Y, torch.stack([net(x) for net, x in zip(nets, X, strict=True)]), rtol=1e-5, atol=1e-6)


@TRACEABLE
def test_modules_have_gradients_for_each_example(case):
    """Vmap over grad gives the gradients that each example alone would have."""
    net, X = case.make(), batch(5, 2)
    parameters = {name: parameter.detach() for name, parameter in net.named_parameters()}

    def loss(parameters, x):
        return functional_call(net, parameters, (x,)).square().sum()

    gradients = vmap(grad(loss), in_dims=(None, 0))(parameters, X)
    by_input = vmap(grad(loss, argnums=1), in_dims=(None, 0))(parameters, X)

    one_by_one = [torch.stack(column) for column in zip(*(results(net, x)[1:] for x in X), strict=True)]
    assert same([by_input, *gradients.values()], one_by_one, rtol=1e-4, atol=1e-5)
