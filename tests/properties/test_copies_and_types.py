"""Copies, types and devices: a module stays what it is when it is copied, cast or moved."""

import copy
import io
import itertools
import pickle

import pytest
import torch
from torch import nn

from tests.properties.properties_transforms_support import (
    EVERY,
    TRACEABLE,
    batch,
    results,
    same,
    shared,
)


class PlainAttribute(nn.Module):
    """The book's way of keeping a constant."""

    def __init__(self):
        super().__init__()
        self.rand_weight = torch.rand(20, 20)
        self.linear = nn.Linear(20, 20)

    def forward(self, X):
        return self.linear(X @ self.rand_weight.to(X.dtype))


class PlainList(nn.Module):
    """A block that keeps its layers in a list."""

    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(20, 20)]
        self.out = nn.Linear(20, 3)

    def forward(self, X):
        return self.out(self.layers[0](X))


def through_torch(net, **options):
    """Save a whole module with torch.save, and load it."""
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    return torch.load(buffer, **options)


def trusting(net):
    """Load a whole module with nothing but the classes and functions that its file names."""
    buffer = io.BytesIO()
    torch.save(net, buffer)
    buffer.seek(0)
    names = torch.serialization.get_unsafe_globals_in_checkpoint(buffer)
    found = [pickle.Unpickler(io.BytesIO()).find_class(*name.rsplit(".", 1)) for name in names]
    with torch.serialization.safe_globals(found):
        return through_torch(net, weights_only=True)


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "torch.save": lambda net: through_torch(net, weights_only=False),
    "torch.save, trusted names": trusting,
}


def faults_of_a_copy(net, other):
    """Return what is wrong with a copy."""
    X, before = batch(), copy.deepcopy(net.state_dict())
    faults = [] if same(results(other, X), results(net, X)) else ["results"]
    faults += [] if list(other.state_dict()) == list(net.state_dict()) else ["keys"]
    faults += [] if repr(other) == repr(net) else ["repr"]
    places = [[n for n, p in m.named_parameters(remove_duplicate=False)] for m in (net, other)]
    faults += [] if len([*net.parameters()]) == len([*other.parameters()]) and places[0] == places[1] else ["ties"]
    Y = net(X)
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor += 1
    shares = not same(list(net.state_dict().values()), list(before.values())) or not torch.equal(net(X), Y)
    return [*faults, "shares memory"] if shares else faults


@EVERY
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES.keys())
def test_modules_survive_copying(copied, case):
    """A copy computes the same values and gradients, has the same names and ties, and shares no memory."""
    net = case.make()

    assert faults_of_a_copy(net, copied(net)) == []


def test_copies_test_rejects_wrong_copies():
    """Copies that share, forget a value, or untie are each seen."""
    net = shared()
    fresh, untied = shared(), copy.deepcopy(net)
    untied[2] = copy.deepcopy(untied[0])

    assert faults_of_a_copy(net, copy.copy(net)) == ["shares memory"]
    assert "results" in faults_of_a_copy(net, fresh)
    assert "ties" in faults_of_a_copy(net, untied)


@EVERY
def test_modules_are_not_loaded_as_whole_objects_by_default(case):
    """torch.load refuses a whole module of ours, as any other, and names what it would have to run."""
    net = case.make()

    with pytest.raises(pickle.UnpicklingError, match=rf"d2lcompute\.\w+\.{type(net).__name__}"):
        through_torch(net)


CASTS = {
    "double": (lambda net: net.double(), torch.float64, 1e-5),
    "half": (lambda net: net.half(), torch.float16, 2e-2),
    "bfloat16": (lambda net: net.bfloat16(), torch.bfloat16, 2e-1),
    "to": (lambda net: net.to(torch.float64), torch.float64, 1e-5),
    "to a type and back": (lambda net: net.to(torch.float64).float(), torch.float32, 1e-6),
}


def faults_of_a_cast(net, cast):
    """Return what is wrong with a module after a cast, against the one before it."""
    function, dtype, tolerance = CASTS[cast]
    before, X = net(batch()), batch().to(dtype)
    function(net)
    faults = [key for key, value in net.state_dict().items() if value.dtype != dtype]
    values = itertools.chain.from_iterable(vars(module).values() for module in net.modules())
    faults += ["a constant"] if any(isinstance(v, torch.Tensor) and v.dtype != dtype for v in values) else []
    Y = net(X)
    faults += [] if Y.dtype == dtype else ["type"]
    return faults if torch.allclose(Y.float(), before, rtol=tolerance, atol=tolerance) else [*faults, "values"]


@EVERY
@pytest.mark.parametrize("cast", CASTS)
def test_modules_can_be_cast(cast, case):
    """After a cast every parameter and buffer has the type, and the output is that of before within its precision."""
    assert faults_of_a_cast(case.make(), cast) == []


def test_cast_test_rejects_what_a_cast_does_not_reach():
    """A constant that is a plain attribute, and layers in a list, are not reached by a cast; the test sees both."""
    assert faults_of_a_cast(PlainAttribute(), "double") == ["a constant"]
    with pytest.raises(RuntimeError, match="must have the same dtype"):
        faults_of_a_cast(PlainList(), "double")


@EVERY
def test_modules_take_their_values_from_the_meta_device_and_back(case):
    """On meta a module has shapes alone; with memory and a saved state it computes what it did, buffers included."""
    net = case.make()
    state, expected = net.state_dict(), results(net, batch())

    moved = copy.deepcopy(net).to("meta")
    with torch.device("meta"):
        made = case.make()
    filled = copy.deepcopy(moved).to_empty(device="cpu")
    filled.load_state_dict(state)
    moved.load_state_dict(state, assign=True)

    assert all(value.is_meta for value in made.state_dict().values())
    assert same(results(filled, batch()), expected)
    assert same(results(moved, batch()), expected)


@TRACEABLE
def test_modules_compute_shapes_on_the_meta_device(case):
    """Where no value decides, a module on meta tells the shape and the type of its output."""
    net = case.make()

    Y = copy.deepcopy(net).to("meta")(batch().to("meta"))

    assert (Y.is_meta, Y.shape, Y.dtype) == (True, net(batch()).shape, torch.float32)


def test_meta_test_rejects_a_constant_that_stays_behind():
    """A constant that is a plain attribute stays on the CPU when its block goes to meta, and is not in the state."""
    net = PlainAttribute().to("meta")

    assert net.rand_weight.device.type == "cpu"
    assert "rand_weight" not in net.state_dict()
