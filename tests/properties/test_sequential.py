"""Properties of MySequential, against nn.Sequential and a plain loop."""

from collections import OrderedDict

import hypothesis
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from d2lcompute import MySequential
from tests.properties.properties_support import checked, counter_example

# Few blocks to choose from, so that they come again in other places; a sequence ends where names are no longer
# 0, 1, 2, …: nn.Sequential then raises or replaces a block where ours numbers anew or refuses, as test_blocks shows.
CHANGES = {
    "append": lambda net, i, block: net.append(block),
    "insert": lambda net, i, block: net.insert(i, block),
    "assign": lambda net, i, block: net.__setitem__(i, block),
    "delete": lambda net, i, block: net.__delitem__(i),
    "delete slice": lambda net, i, block: net.__delitem__(slice(i, None)),
    "extend": lambda net, i, block: net.extend([block, block]),
    "slice": lambda net, i, block: net[i:],
    "add": lambda net, i, block: net + type(net)(block),
    "multiply": lambda net, i, block: net * i,
    "by name": lambda net, i, block: net.__setattr__(str(i % len(net)), block),
    "add by name": lambda net, i, block: net.add_module(str(len(net)), block),
    "remove by name": lambda net, i, block: net.__delattr__(str(len(net) - 1)),
}


changes = st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(-3, 3), st.integers(0, 4)), max_size=8)


def difference_from_sequential(kind, sequence):
    """Apply the same changes to a kind of sequence and to nn.Sequential; return after which the two first differ."""
    torch.manual_seed(0)
    blocks = [nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Identity(), nn.Sequential(nn.Linear(2, 2), nn.ReLU())]
    ours, theirs = kind(*blocks[:2]), nn.Sequential(*blocks[:2])
    for number, (name, i, chosen) in enumerate([("append", 0, 3), *sequence]):
        ours, mine = changed(ours, name, i, blocks[chosen])
        theirs, reference = changed(theirs, name, i, blocks[chosen])
        if mine != reference or facts(ours) != facts(theirs):
            return number, name
        if len(theirs) > 20 or [*theirs._modules] != [str(i) for i in range(len(theirs))]:
            return None
    return None


def changed(net, name, i, block):
    """Apply a change; return the net to go on with, and the type of the error if there was one."""
    try:
        result = CHANGES[name](net, i, block)
    except Exception as error:
        return net, type(error)
    return (result if isinstance(result, nn.Module) else net), None


def facts(net):
    """Return the names and identities of the blocks, the keys, and the bits of output and gradients."""
    X = torch.tensor([[1.0, -2.0]], requires_grad=True)
    parameters = list(net.parameters())
    gradients = torch.autograd.grad(net(X).square().sum(), [X, *parameters], allow_unused=True)
    return (
        [(name, id(block)) for name, block in net._modules.items()],
        [id(block) for block in net],
        [id(parameter) for parameter in parameters],
        list(net.state_dict()),
        [None if gradient is None else gradient.tolist() for gradient in gradients],
    )


class Children(MySequential):
    """The English book's forward."""

    def forward(self, X):
        for block in self.children():
            X = block(X)
        return X


class Listed(MySequential):
    """A sequence that keeps a list of its own, which deletion does not reach."""

    def __init__(self, *blocks):
        super().__init__(*blocks)
        self.order = [*blocks] if blocks and not isinstance(blocks[0], OrderedDict) else [*blocks[0].values()]

    def __iter__(self):
        return iter(self.order)


class Gaps(MySequential):
    """A sequence that does not number its blocks anew after a deletion."""

    def __delitem__(self, index):
        for name in [*self._modules][index] if isinstance(index, slice) else [[*self._modules][index]]:
            del self._modules[name]


class Clamped(MySequential):
    """A sequence that inserts where a list would."""

    def insert(self, index, value):
        return super().insert(max(-len(self), min(index, len(self))), value)


@checked
@hypothesis.given(changes)
def test_mysequential_equals_sequential_after_any_changes(sequence):
    """After any changes with blocks that come again, names, keys, outputs and gradients are nn.Sequential's."""
    assert difference_from_sequential(MySequential, sequence) is None


@pytest.mark.parametrize("wrong", [Children, Listed, Gaps, Clamped])
def test_mysequential_property_rejects_wrong_sequences(wrong):
    """The random changes hold some against each plausible wrong sequence, the book's among them."""
    sequence = counter_example(changes, lambda sequence: difference_from_sequential(wrong, sequence))

    assert difference_from_sequential(wrong, sequence)
