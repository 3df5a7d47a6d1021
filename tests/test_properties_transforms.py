"""The layers and blocks under what programs do to modules: copy, save, cast, trace, batch, hook and reparametrize."""

import copy
import io
import itertools
import os
import pickle
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import grad, stack_module_state, vmap
from torch.nn.utils import parametrizations, parametrize

from d2lcompute import MLP, CenteredLayer, FixedHiddenMLP, MyLinear, MySequential, NestMLP

THOROUGH = bool(os.environ.get("D2LCOMPUTE_THOROUGH"))  # minutes and a C++ compiler: torch.compile in full


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


# --- wrong modules, which the tests below must reject ---------------------------------------------------------------


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


class Calling(nn.Module):
    """A block that calls forward, which runs no hook."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(20, 20)

    def forward(self, X):
        return self.inner.forward(X)


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


# --- copies ---------------------------------------------------------------------------------------------------------


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


# --- types and devices ----------------------------------------------------------------------------------------------

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


# --- functional calls and batches of everything --------------------------------------------------------------------


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


# --- compiled and exported ------------------------------------------------------------------------------------------


@pytest.fixture
def no_traces():
    """Forget what torch.compile has compiled, before and after."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@TRACEABLE
@pytest.mark.usefixtures("no_traces")
def test_modules_are_traced_whole(case):
    """torch.compile traces a module as one graph, which computes the same bits."""
    net = case.make()

    compiled = torch.compile(net, backend="eager", fullgraph=True)

    assert same(compiled(batch()), net(batch()))


@pytest.mark.slow
@pytest.mark.skipif(not THOROUGH, reason="takes minutes and a C++ compiler: set D2LCOMPUTE_THOROUGH")
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
@EVERY
@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore")
def test_modules_are_compiled(case, backend):
    """Compiled for real, forward and backward, a module computes the same values and gradients."""
    net = case.make()

    compiled = torch.compile(net, backend=backend)

    assert same(results(compiled, batch()), results(net, batch()), rtol=1e-4, atol=1e-5)


@TRACEABLE
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, in some versions
def test_modules_are_exported(case):
    """torch.export yields a program with the same parameters that takes batches of any size and computes the same."""
    net = case.make()

    program = torch.export.export(net, (batch(),), dynamic_shapes=({0: torch.export.Dim("n", min=2)},))

    assert {*program.state_dict} == {*net.state_dict()}
    for n in (2, 9):
        assert same(program.module()(batch(n)), net(batch(n)), rtol=1e-6, atol=1e-6)


def name_of(error):
    """Return an error's class by its name, since torch has moved some between its modules."""
    return type(error).__name__


@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # torch's own, in some versions
@pytest.mark.parametrize(
    ("transform", "error", "words"),
    [
        (
            lambda net: torch.export.export(net, (batch(),), strict=False),
            "GuardOnDataDependentSymNode",
            "data-dependent",
        ),
        (
            lambda net: torch.compile(net, backend="eager", fullgraph=True)(batch()),
            "Unsupported",
            "[Dd]ata.dependent (branching|jump|control flow)|dynamic control flow",
        ),
        (lambda net: vmap(net)(batch(3, 4)), "RuntimeError", "vmap: .* some data-dependent control flow"),
        (lambda net: net.to("meta")(batch().to("meta")), "RuntimeError", "cannot be called on meta tensors"),
        (
            lambda net: torch.fx.symbolic_trace(net),
            "TraceError",
            "symbolically traced variables cannot be used as inputs to control flow",
        ),
    ],
    ids=["export", "compile fullgraph", "vmap", "meta", "fx"],
)
def test_fixedhiddenmlp_cannot_be_traced(transform, error, words):
    """Its loop depends on values: what would need the loop unrolled raises, and says that control flow is why."""
    with pytest.raises(Exception, match=words) as caught:
        transform(FixedHiddenMLP())

    assert name_of(caught.value) == error


@pytest.mark.usefixtures("no_traces")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's own, while it traces
def test_fixedhiddenmlp_is_compiled_in_pieces():
    """Without fullgraph, torch.compile goes around the loop, and halves as often as each batch needs."""
    net = FixedHiddenMLP()
    compiled = torch.compile(net, backend="eager")

    for scale in (1e-6, 1.0, 1e3):
        assert same(compiled(scale * batch()), net(scale * batch()))


# --- hooks ----------------------------------------------------------------------------------------------------------


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


# --- parametrizations -----------------------------------------------------------------------------------------------

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
