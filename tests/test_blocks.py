"""The blocks against their counterparts in torch.nn."""

import copy
import inspect
import itertools
import pickle
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lcompute import MLP, FixedHiddenMLP, MySequential, NestMLP

DTYPES = [torch.float32, torch.float64]


def twins(*sizes, dtype=torch.float32):
    """Return a MySequential and an nn.Sequential over equal, separate linear layers and ReLUs."""
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs, dtype=dtype), nn.ReLU()]
    return MySequential(*layers), nn.Sequential(*copy.deepcopy(layers))


@pytest.mark.parametrize("dtype", DTYPES)
def test_mysequential_forward_and_gradients_equal_sequential(dtype):
    """Values and every gradient are those of nn.Sequential, bit for bit."""
    ours, theirs = twins(5, 7, 3, dtype=dtype)
    X = torch.randn(4, 5, dtype=dtype)

    ours(X).square().sum().backward()
    theirs(X).square().sum().backward()

    assert torch.equal(ours(X), theirs(X))
    for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine.grad, reference.grad)


def test_mysequential_state_dict_loads_into_sequential():
    """The keys of state_dict are nn.Sequential's, so weights go over in both directions."""
    ours, theirs = twins(4, 6, 2)
    with torch.no_grad():
        theirs[0].weight.fill_(1.5)

    ours.load_state_dict(theirs.state_dict())

    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert (ours[0].weight == 1.5).all()


def test_mysequential_shared_block_runs_every_time():
    """A block that appears twice runs twice and is counted once, as in nn.Sequential."""
    shared = nn.Linear(3, 3)
    ours, theirs = MySequential(shared, nn.Tanh(), shared), nn.Sequential(shared, nn.Tanh(), shared)
    X = torch.randn(2, 3)

    Y = ours(X)

    assert torch.equal(Y, theirs(X))
    assert not torch.equal(Y, torch.tanh(shared(X)))
    assert len(list(ours.parameters())) == 2


def test_mysequential_ordered_dict_names_the_blocks():
    """An OrderedDict gives the blocks their names and their order."""
    blocks = OrderedDict(first=nn.Linear(2, 3), act=nn.ReLU())

    net = MySequential(blocks)

    assert list(net.state_dict()) == ["first.weight", "first.bias"]
    assert net.act is net[1]
    assert list(net[0:1]._modules) == list(nn.Sequential(blocks)[0:1]._modules) == ["first"]


OPERATIONS = {
    "append": lambda net, i, block: net.append(block()),
    "insert": lambda net, i, block: net.insert(i, block()),
    "extend": lambda net, i, block: net.extend([block(), block()]),
    "delete": lambda net, i, block: net.__delitem__(i),
    "delete slice": lambda net, i, block: net.__delitem__(slice(i, None, 2)),
    "assign": lambda net, i, block: net.__setitem__(i, block()),
    "get": lambda net, i, block: repr(net[i]),
    "slice": lambda net, i, block: net[i:],
    "pop": lambda net, i, block: repr(net.pop(i)),
    "add": lambda net, i, block: net + type(net)(block()),
    "add in place": lambda net, i, block: net.__iadd__(type(net)(block(), block())),
    "multiply": lambda net, i, block: net * i,
    "multiply from the left": lambda net, i, block: i * net,
    "multiply in place": lambda net, i, block: net.__imul__(i),
    "append no block": lambda net, i, block: net.append("relu"),
    "insert no block": lambda net, i, block: net.insert(0, "relu"),
    "assign no block": lambda net, i, block: net.__setitem__(0, "relu"),
    "add no sequence": lambda net, i, block: net.__add__([block()]),
    "add no sequence in place": lambda net, i, block: net.__iadd__([block()]),
    "multiply by no integer": lambda net, i, block: net * 1.5,
    "multiply in place by no integer": lambda net, i, block: net.__imul__("2"),
    "index by no integer": lambda net, i, block: net["0"],
}


def outcome(operation, net, index, width):
    """Return what an operation does: the names of its result's blocks, or the type of its error."""
    try:
        result = OPERATIONS[operation](net, index, lambda: nn.Linear(width, width))
    except Exception as error:
        return type(error)
    return [(name, repr(block)) for name, block in result.named_children()] if isinstance(result, nn.Module) else result


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(-4, 4), st.integers(1, 9)), max_size=8))
def test_mysequential_container_operations_equal_sequential(operations):
    """Any sequence of container operations leaves both in the same state, with the same results and errors."""
    ours, theirs = MySequential(nn.Linear(2, 2), nn.ReLU()), nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    for operation, index, width in operations:
        if len(theirs) > 64:
            break

        mine, reference = outcome(operation, ours, index, width), outcome(operation, theirs, index, width)

        assert mine == reference, operation
        assert [(n, repr(m)) for n, m in ours._modules.items()] == [(n, repr(m)) for n, m in theirs._modules.items()]
        assert len(ours) == len(theirs)
        assert list(map(repr, ours)) == list(map(repr, theirs))


def test_mysequential_multiplied_by_1_is_the_same_blocks():
    """Once is a number of times, too."""
    net = MySequential(nn.Linear(2, 2), nn.ReLU())

    assert list(net * 1) == list(net)


@pytest.mark.parametrize("index", [-2, 0, 2])
def test_mysequential_inserts_at_both_ends(index):
    """The first and the last place may be named from either side, as in nn.Sequential."""
    ours, theirs = (kind(nn.Linear(2, 2), nn.ReLU()) for kind in (MySequential, nn.Sequential))

    ours.insert(index, nn.Tanh())
    theirs.insert(index, nn.Tanh())

    assert list(map(repr, ours)) == list(map(repr, theirs))


def test_mysequential_has_the_methods_of_a_list():
    """What nn.Sequential lacks comes from MutableSequence: remove, reverse, index, count, in, reversed, clear."""
    first, second = nn.Linear(2, 2), nn.ReLU()
    net = MySequential(first, second)

    net.reverse()

    assert (list(net), net.index(first), net.count(second), first in net) == ([second, first], 1, 1, True)
    assert list(reversed(net)) == [first, second]
    net.remove(second)
    assert list(net) == [first]
    net.clear()
    assert len(net) == 0


def test_mysequential_extends_by_itself():
    """A net can be appended to itself; nn.Sequential does not come through that."""
    net = MySequential(nn.Linear(2, 2))

    net += net

    assert net[0] is net[1]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_mysequential_append_refuses_a_taken_name():
    """Where nn.Sequential replaces the block that has the next number as its name, append raises and keeps it."""
    first = nn.Linear(2, 2)
    named = OrderedDict([("1", first)])
    theirs = nn.Sequential(named).append(nn.ReLU())
    net = MySequential(named)

    with pytest.raises(KeyError, match="the next block gets the name '1', and another block has it"):
        net.append(nn.ReLU())

    assert list(net) == [first]
    assert first not in list(theirs)


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (lambda net: net[2], IndexError, "list index out of range"),
        (lambda net: net.insert(4, nn.ReLU()), IndexError, "index 4 is out of range for 2 blocks"),
        (lambda net: net.insert(0, "relu"), AssertionError, "module should be of type .*Module.*; got <class 'str'>"),
        (
            lambda net: net.append("relu"),
            TypeError,
            r"must be an nn\.Module, an object such as nn\.ReLU\(\); got 'relu' \(str\)",
        ),
        (
            lambda net: net + nn.ReLU(),
            ValueError,
            r"^\+ joins two sequences of blocks; got <class '.*\.ReLU'>: wrap it in MySequential\(\.\.\.\)$",
        ),
        (lambda net: net * 0, ValueError, "times must be 1 or more, how often to repeat; got 0"),
        (lambda net: net * 2.0, TypeError, "times must be an integer, how often to repeat; got 2.0"),
        (lambda net: MySequential([nn.ReLU()]), TypeError, r"got a list of blocks: write MySequential\(\*blocks\)$"),
        (lambda net: MySequential(nn.ReLU() for _ in "ab"), TypeError, r"write MySequential\(\*blocks\)$"),
        (lambda net: MySequential(nn.ReLU), TypeError, r"ReLU is the class: write ReLU\(\) to make an object of it$"),
        (lambda net: net.append(nn.ReLU), TypeError, r"write ReLU\(\)"),
        (lambda net: net.__setitem__(0, nn.ReLU), TypeError, r"write ReLU\(\)"),
        (lambda net: net.extend([None]), TypeError, r"got None: leave the block out, or write nn\.Identity\(\)$"),
        (lambda net: MySequential({"a": nn.ReLU()}), TypeError, r"a dict of blocks: hand it over as OrderedDict\("),
        (lambda net: MySequential(torch.relu), TypeError, "the function relu: wrap it in a module"),
    ],
)
def test_mysequential_errors_say_what_is_wrong(operation, error, message):
    """Every misuse raises an error that names what was expected and what came."""
    net = MySequential(nn.Linear(2, 2), nn.ReLU())

    with pytest.raises(error, match=message):
        operation(net)

    assert len(net) == 2


def test_mysequential_stays_under_90_lines():
    """The class is short enough to be read in one sitting."""
    assert len(inspect.getsource(MySequential).splitlines()) < 90


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_mysequential_survives_copying(copy_of):
    """A copy computes the same and shares nothing."""
    net, _ = twins(3, 4)
    X = torch.randn(2, 3)

    other = copy_of(net)

    assert torch.equal(other(X), net(X))
    assert other[0].weight is not net[0].weight


@pytest.mark.parametrize("dtype", DTYPES)
def test_mlp_computes_the_closed_form(dtype):
    """MLP is relu(X W₁ᵀ + b₁) W₂ᵀ + b₂."""
    net = MLP(in_features=4, hidden_features=6, out_features=3).to(dtype)
    X = torch.randn(5, 4, dtype=dtype)

    Y = net(X)

    hidden = (X @ net.hidden.weight.T + net.hidden.bias).clamp(min=0)
    torch.testing.assert_close(Y, hidden @ net.out.weight.T + net.out.bias)
    assert sum(p.numel() for p in MLP().parameters()) == 20 * 256 + 256 + 256 * 10 + 10


def test_fixedhiddenmlp_constant_is_a_buffer():
    """The constant weight is saved, cast and copied with the block, and is no parameter."""
    net = FixedHiddenMLP()

    other = FixedHiddenMLP().double()
    other.load_state_dict(net.state_dict())

    assert "rand_weight" in net.state_dict()
    assert "rand_weight" not in dict(net.named_parameters())
    assert other.rand_weight.dtype == torch.float64
    assert torch.equal(other.rand_weight, net.rand_weight.double())
    assert other(torch.ones(2, 20, dtype=torch.float64)).dtype == torch.float64


def test_fixedhiddenmlp_computes_the_closed_form_and_halves():
    """The result is the sum of linear(relu(linear(X) C + 1)), halved until the magnitudes sum to at most 1."""
    net = FixedHiddenMLP().double()
    X = 10 * torch.randn(3, 20, dtype=torch.float64)

    y = net(X)
    y.backward()

    inner = net.linear(torch.relu(net.linear(X) @ net.rand_weight + 1))
    halvings = max(0, inner.abs().sum().log2().ceil().int().item())
    torch.testing.assert_close(y, inner.sum() / 2**halvings)
    assert y.abs() <= 1
    assert net.linear.weight.grad.abs().sum() > 0


def test_fixedhiddenmlp_refuses_what_would_never_end():
    """Infinity halved is infinity: the block raises instead of running for ever."""
    net = FixedHiddenMLP()

    with pytest.raises(ValueError, match=r"^X leads to values .* infinite or NaN, and halving .* never end: check X$"):
        net(torch.full((1, 20), torch.inf))


def test_fixedhiddenmlp_leaves_a_sum_of_1_as_it_is():
    """Halving stops at 1: a sum of magnitudes that is 1 to begin with is not halved."""
    net = FixedHiddenMLP()
    nn.init.zeros_(net.linear.weight)
    nn.init.zeros_(net.linear.bias)
    net.linear.bias.data[0] = 1

    assert net(torch.ones(1, 20)).item() == 1


def test_nestmlp_computes_the_closed_form():
    """NestMLP is linear(relu(W₂ relu(W₁ X + b₁) + b₂))."""
    net = NestMLP().double()
    X = torch.randn(5, 20, dtype=torch.float64)

    Y = net(X)

    first, second = net.net[0], net.net[2]
    inner = torch.relu(torch.relu(X @ first.weight.T + first.bias) @ second.weight.T + second.bias)
    torch.testing.assert_close(Y, inner @ net.linear.weight.T + net.linear.bias)


def test_nestmlp_nests_inside_other_blocks():
    """The book's chimera of nested blocks runs, and its parameters are found at every depth."""
    chimera = nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())

    y = chimera(torch.randn(2, 20))
    y.backward()

    assert y.shape == ()
    assert {"0.net.0.weight", "0.linear.bias", "1.weight", "2.linear.weight"} <= set(dict(chimera.named_parameters()))
    assert all(p.grad is not None for p in chimera.parameters())
