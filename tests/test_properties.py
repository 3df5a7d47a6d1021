"""Properties of layers, blocks, initializers, tables and timers on random cases, which must also find what is wrong."""

import math
from collections import OrderedDict
from unittest import mock

import hypothesis
import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

from d2lcompute import CenteredLayer, MyLinear, MySequential, Timer, init_normal, init_xavier, my_init, timing
from d2lcompute.parameters import count_parameters, parameter_table, tied_groups

checked = hypothesis.settings(max_examples=40, deadline=None)
one_is_enough = hypothesis.settings(  # a counter-example, not the smallest one
    max_examples=2000, deadline=None, database=None, phases=[hypothesis.Phase.generate], derandomize=True
)
DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.complex64]


def counter_example(strategy, wrong):
    """Return a case in which something is wrong; hypothesis raises NoSuchExample if it finds none."""
    return hypothesis.find(strategy, wrong, settings=one_is_enough)


def first_difference(ours, theirs, dtype):
    """Return the name of the first of two lists of named tensors that differ by more than rounding can explain."""
    largest = max((reference.abs().max().item() for _, reference in theirs if reference.numel()), default=0.0)
    for (name, mine), (_, reference) in zip(ours, theirs, strict=True):
        try:
            torch.testing.assert_close(mine, reference, rtol=0, atol=32 * torch.finfo(dtype).eps * largest)
        except AssertionError:
            return name
    return None


# --- MyLinear ---------------------------------------------------------------------------------------------------------


@st.composite
def linear_cases(draw):
    """Draw sizes, batch dimensions (none, several, empty ones), a type, whether there is a bias, and an activation."""
    batch = draw(st.lists(st.sampled_from([1, 2, 3, 0]), max_size=3))
    sizes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    activation = draw(st.sampled_from([None, torch.square]))
    return sizes, batch, draw(st.sampled_from(DTYPES)), draw(st.booleans()), activation


def derivatives(layer, X, upstream):
    """Return the output, the gradients, and the gradients of the gradients' squares, by name."""
    inputs = {"X": X, "weight": layer.weight} | ({} if layer.bias is None else {"bias": layer.bias})
    Y = layer(X)
    if not Y.requires_grad:
        return [("Y", Y), ("no gradient", torch.ones(()))]
    first = torch.autograd.grad(Y, list(inputs.values()), upstream, create_graph=True, materialize_grads=True)
    square = sum(gradient.abs().square().sum() for gradient in first)
    again = [torch.zeros_like(tensor) for tensor in inputs.values()]
    if square.requires_grad:
        again = torch.autograd.grad(square, list(inputs.values()), materialize_grads=True)
    names = [*inputs, *(f"{name} again" for name in inputs)]
    turned = isinstance(layer, nn.Linear)
    results = zip(names, [*first, *again], strict=True)
    return [("Y", Y), *((name, t.T if turned and name.startswith("weight") else t) for name, t in results)]


def difference_from_linear(layer_type, case):
    """Return where a layer first differs from nn.Linear with the same values: in output, gradients or second ones."""
    (inputs, outputs), batch, dtype, bias, activation = case
    generator = torch.Generator().manual_seed(inputs)
    ours, theirs = (kind(inputs, outputs, bias=bias, dtype=dtype) for kind in (layer_type, nn.Linear))
    ours.activation = activation
    theirs.register_forward_hook(lambda module, args, Y: activation(Y) if activation else Y)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight.T)
        if bias:
            theirs.bias.copy_(ours.bias)
    X, upstream = (torch.randn(*batch, size, dtype=dtype, generator=generator) for size in (inputs, outputs))
    try:
        mine = derivatives(ours, X.clone().requires_grad_(), upstream)
    except RuntimeError as error:
        return f"{type(error).__name__}: {error}"
    reference = derivatives(theirs, X.clone().requires_grad_(), upstream)
    return "number of results" if len(mine) != len(reference) else first_difference(mine, reference, dtype)


class Detached(MyLinear):
    """The book's layer."""

    def forward(self, X):
        Y = torch.matmul(X, self.weight.data) + (0 if self.bias is None else self.bias.data)
        return Y if self.activation is None else self.activation(Y)


class BiasDetached(MyLinear):
    def forward(self, X):
        Y = X @ self.weight + (0 if self.bias is None else self.bias.detach())
        return Y if self.activation is None else self.activation(Y)


class SquareTurned(MyLinear):
    """A layer that takes the wrong side of a square weight."""

    def forward(self, X):
        turned = self.in_units == self.units
        Y = F.linear(X, self.weight if turned else self.weight.T, self.bias)
        return Y if self.activation is None else self.activation(Y)


class Rows(MyLinear):
    """A layer that makes a batch of everything."""

    def forward(self, X):
        return super().forward(X.reshape(-1, self.in_units))


class Single(MyLinear):
    """A layer that computes in float32, whatever it is given."""

    def forward(self, X):
        return X.new_tensor(0) + super().forward(X).to(torch.complex64 if X.is_complex() else torch.float32)


class Once(torch.autograd.Function):
    """A product whose gradient is right and has no gradient of its own."""

    @staticmethod
    def forward(ctx, X, weight):
        ctx.save_for_backward(X, weight)
        return X @ weight

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        X, weight = ctx.saved_tensors
        rows, above = X.reshape(-1, weight.shape[0]), upstream.reshape(-1, weight.shape[1])
        return upstream @ weight.T.conj(), rows.T.conj() @ above


class FirstGradientOnly(MyLinear):
    def forward(self, X):
        Y = Once.apply(X, self.weight) + (0 if self.bias is None else self.bias)
        return Y if self.activation is None else self.activation(Y)


class NotConjugated(torch.autograd.Function):
    """A product whose gradient is right for real numbers alone."""

    @staticmethod
    def forward(ctx, X, weight):
        ctx.save_for_backward(X, weight)
        return X @ weight

    @staticmethod
    def backward(ctx, upstream):
        X, weight = ctx.saved_tensors
        rows, above = X.reshape(-1, weight.shape[0]), upstream.reshape(-1, weight.shape[1])
        return upstream @ weight.T, rows.T @ above


class RealGradientOnly(MyLinear):
    def forward(self, X):
        Y = NotConjugated.apply(X, self.weight) + (0 if self.bias is None else self.bias)
        return Y if self.activation is None else self.activation(Y)


@checked
@hypothesis.given(linear_cases())
def test_mylinear_equals_linear_in_values_and_two_derivatives(case):
    """For any sizes, dimensions, types and activations, output, gradients and gradients of those are nn.Linear's."""
    assert difference_from_linear(MyLinear, case) is None


@pytest.mark.parametrize(
    "wrong", [Detached, BiasDetached, SquareTurned, Rows, Single, FirstGradientOnly, RealGradientOnly]
)
def test_mylinear_property_rejects_wrong_layers(wrong):
    """The random cases hold one against each plausible wrong layer, the book's among them."""
    case = counter_example(linear_cases(), lambda case: difference_from_linear(wrong, case))

    assert difference_from_linear(wrong, case)


# --- CenteredLayer ----------------------------------------------------------------------------------------------------


@st.composite
def centered_cases(draw):
    """Draw a shape, a dimension of it or none, and a type."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    return shape, draw(st.sampled_from([None, *range(-len(shape), len(shape))])), draw(st.sampled_from(DTYPES))


def centered(T, dim):
    """Multiply by I − 11ᵀ/n, in double precision."""
    rows = T.to(torch.complex128)
    rows = rows.reshape(1, -1) if dim is None else rows.movedim(dim, -1)
    n = rows.shape[-1]
    Y = rows @ (torch.eye(n, dtype=rows.dtype) - torch.ones(n, n, dtype=rows.dtype) / n)
    return Y.reshape(T.shape) if dim is None else Y.movedim(-1, dim)


def difference_from_centering(layer_type, case):
    """Return where a layer first differs from the closed form, which is also that of its gradient."""
    shape, dim, dtype = case
    generator = torch.Generator().manual_seed(len(shape))
    X, upstream = (torch.randn(shape, dtype=dtype, generator=generator) for _ in range(2))
    given = X.clone().requires_grad_()
    try:
        Y = layer_type(dim)(given)
        (gradient,) = torch.autograd.grad(Y, given, upstream)
    except RuntimeError as error:
        return str(error)
    for name, mine, expected in (("Y", Y, centered(X, dim)), ("gradient", gradient, centered(upstream, dim))):
        if (mine.dtype, mine.shape) != (dtype, X.shape):
            return f"type or shape of {name}"
        if not torch.allclose(mine.to(expected.dtype), expected, rtol=0, atol=16 * torch.finfo(dtype).eps):
            return name
    return None if torch.equal(given, X) else "X"


class Dropping(CenteredLayer):
    """A layer that forgets keepdim."""

    def forward(self, X):
        return X - (X.mean() if self.dim is None else X.mean(self.dim))


class AllElements(CenteredLayer):
    def forward(self, X):
        return X - X.mean()


class MeanDetached(CenteredLayer):
    def forward(self, X):
        return X - (X - super().forward(X)).detach()


class Summing(CenteredLayer):
    """A layer that divides by one less, as for a variance."""

    def forward(self, X):
        n = X.numel() if self.dim is None else X.shape[self.dim]
        return X - (X - super().forward(X)) * n / max(n - 1, 1)


class InPlace(CenteredLayer):
    def forward(self, X):
        with torch.no_grad():
            X += 1
        return super().forward(X)


@checked
@hypothesis.given(centered_cases())
def test_centeredlayer_equals_the_closed_form(case):
    """For any shape, dimension and type, output and gradient are the products with I − 11ᵀ/n."""
    assert difference_from_centering(CenteredLayer, case) is None


@pytest.mark.parametrize("wrong", [Dropping, AllElements, MeanDetached, Summing, InPlace])
def test_centeredlayer_property_rejects_wrong_layers(wrong):
    """The random cases hold one against each plausible wrong layer."""
    assert counter_example(centered_cases(), lambda case: difference_from_centering(wrong, case))


# --- MySequential -----------------------------------------------------------------------------------------------------

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


# --- initializers -----------------------------------------------------------------------------------------------------

ERROR_RATE = 1e-3  # how often a test of this kind rejects what is right, for a seed that nobody chose
SEEDS = range(40)


def two_sides(x):
    """Return the distribution function of my_init's values that are not zero: a sign, and a magnitude from 5 to 10."""
    return np.where(x < 0, (x + 10) / 10, (x + 0) / 10).clip(0, np.where(x < 0, 0.5, 1))


def weights(initializer, inputs=200, outputs=100):
    """Return the weights that an initializer gives to a linear layer."""
    return nn.Linear(inputs, outputs).apply(initializer).weight.detach()


def kept():
    """Return what my_init does not set to zero."""
    values = weights(my_init)
    return values[values != 0]


def uniform(bound):
    """Return the distribution function of U(−bound, bound)."""
    return scipy.stats.uniform(-bound, 2 * bound).cdf


def spread(bound):
    """Return what draws from U(−bound, bound)."""
    return lambda: torch.empty(20000).uniform_(-bound, bound)


PROMISED = {  # what draws values, and the distribution function that its docstring promises
    "init_normal": (lambda: weights(init_normal), scipy.stats.norm(0, 0.01).cdf),
    "init_xavier": (lambda: weights(init_xavier), uniform((6 / 300) ** 0.5)),
    "init_xavier, wide": (lambda: weights(init_xavier, 10, 2000), uniform((6 / 2010) ** 0.5)),
    "my_init": (kept, two_sides),
    "MyLinear": (lambda: MyLinear(200, 100).weight.detach(), uniform(200**-0.5)),
    "MyLinear's bias": (lambda: MyLinear(4, 5000).bias.detach(), uniform(0.5)),
}


def normal(std, mean=0.0):
    """Return what draws from N(mean, std²)."""
    return lambda: torch.empty(20000).normal_(mean, std)


BROKEN = {  # what a mistake would draw, and the promise that it breaks
    "twice the deviation": (normal(0.02), "init_normal"),
    "a tenth more deviation": (normal(0.011), "init_normal"),
    "a mean that is not 0": (normal(0.01, 0.001), "init_normal"),
    "the deviation taken for a variance": (normal(0.1), "init_normal"),
    "cut off at two deviations": (
        lambda: nn.init.trunc_normal_(torch.empty(20000), std=0.01, a=-0.02, b=0.02),
        "init_normal",
    ),
    "uniform with the same deviation": (spread(0.01 * 3**0.5), "init_normal"),
    "Xavier's normal one": (lambda: nn.init.xavier_normal_(torch.empty(100, 200)), "init_xavier"),
    "inputs alone": (spread((3 / 200) ** 0.5), "init_xavier"),
    "left as it was": (lambda: weights(lambda module: None), "init_xavier"),
    "outputs in the place of inputs": (spread(100**-0.5), "MyLinear"),
    "Kaiming's own bound": (lambda: nn.init.kaiming_uniform_(torch.empty(100, 200)), "MyLinear"),
    "magnitudes alone": (lambda: kept().abs(), "my_init"),
    "nothing set to zero": (spread(10), "my_init"),
    "magnitudes up to 9": (lambda: kept() * 0.9, "my_init"),
}


def p_value(draw, cdf, seed):
    """Return how probable a deviation from the distribution as large as this one is."""
    torch.manual_seed(seed)
    return scipy.stats.kstest(draw().flatten().double().numpy(), cdf, method="asymp").pvalue


@pytest.mark.parametrize("name", PROMISED)
def test_initializers_draw_from_the_promised_distribution(name):
    """No seed's values are rejected at the error rate, and the p-values are themselves uniform, as they must be."""
    p_values = [p_value(*PROMISED[name], seed) for seed in SEEDS]

    assert min(p_values) > ERROR_RATE
    assert scipy.stats.kstest(p_values, "uniform").pvalue > ERROR_RATE


@pytest.mark.parametrize("mistake", BROKEN)
def test_initializers_test_rejects_other_distributions(mistake):
    """Each plausible wrong distribution is rejected at that error rate, with each of eight seeds."""
    draw, promise = BROKEN[mistake]

    assert max(p_value(draw, PROMISED[promise][1], seed) for seed in SEEDS[:8]) < ERROR_RATE


def test_my_init_sets_half_of_the_values_to_zero():
    """The number of zeros is binomial with one half, at the error rate; 48 % of zeros would be rejected."""
    zeros = [(torch.manual_seed(seed), (weights(my_init) == 0).sum().item())[1] for seed in SEEDS]

    assert all(scipy.stats.binomtest(count, 20000, 0.5).pvalue > ERROR_RATE for count in zeros)
    assert scipy.stats.binomtest(9600, 20000, 0.5).pvalue < ERROR_RATE


# --- parameters -------------------------------------------------------------------------------------------------------


@st.composite
def trees(draw):
    """Draw a tree with ties, shared blocks, buffers, a parameter of no elements, and lazy parameters."""
    parameters = [nn.Parameter(torch.zeros(size), requires_grad=draw(st.booleans())) for size in (0, 2, 3, 3)]
    lazy = [nn.UninitializedParameter(requires_grad=draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    made = []

    def grow(levels):
        module = nn.Module()
        for i in range(draw(st.integers(0, 3))):
            module.register_parameter(f"p{i}", draw(st.sampled_from([None, *parameters, *lazy])))
        module.register_buffer("running", torch.zeros(draw(st.integers(0, 5))), persistent=draw(st.booleans()))
        for i in range(draw(st.integers(0, 2)) if levels else 0):
            again = draw(st.sampled_from(made)) if made and draw(st.booleans()) else None
            module.register_module(f"m{i}", again or grow(levels - 1))
        made.append(module)
        return module

    return grow(3)


def brute_force(net):
    """Walk every path of a tree; return each parameter's names, and the elements of all and of the trainable ones."""
    found = []

    def walk(module, prefix):
        found.extend((prefix + name, p) for name, p in module._parameters.items() if p is not None)
        for name, child in module._modules.items():
            walk(child, f"{prefix}{name}.")

    walk(net, "")
    once = [p for i, (_, p) in enumerate(found) if all(p is not other for _, other in found[:i])]
    names = [[name for name, other in found if other is p] for p in once]
    counts = [
        None if any(nn.parameter.is_lazy(p) for p in chosen) else sum(math.prod(p.shape) for p in chosen)
        for chosen in (once, [p for p in once if p.requires_grad])
    ]
    return found, [tuple(group) for group in names if len(group) > 1], counts


def count_or_none(net, **options):
    """Return the count, or None where it is refused because a lazy layer has seen no data."""
    try:
        return count_parameters(net, **options)
    except ValueError:
        return None


WRONG_COUNTS = {
    "each name": lambda net: sum(p.numel() for _, p in net.named_parameters(remove_duplicate=False)),
    "with buffers": lambda net: sum(t.numel() for t in [*net.parameters(), *net.buffers()]),
    "state_dict": lambda net: sum(t.numel() for t in net.state_dict().values()),
    "by shape": lambda net: sum(math.prod(shape) for shape in {tuple(p.shape) for p in net.parameters()}),
    "lazy as 0": lambda net: sum(0 if nn.parameter.is_lazy(p) else p.numel() for p in net.parameters()),
}


@checked
@hypothesis.given(trees())
def test_parameters_functions_agree_with_brute_force_on_trees_with_lazy_layers_and_buffers(net):
    """Table, counts and groups are those of walking every path; buffers never count, lazy parameters are never 0."""
    found, groups, (count, trainable) = brute_force(net)

    table = parameter_table(net)

    assert [row.name for row in table] == [name for name, _ in found]
    shapes = [None if nn.parameter.is_lazy(p) else tuple(p.shape) for _, p in found]
    assert [row.shape for row in table] == shapes
    assert [row.initialized for row in table] == [shape is not None for shape in shapes]
    assert [row.trainable for row in table] == [p.requires_grad for _, p in found]
    assert tied_groups(net) == groups
    assert (count_or_none(net), count_or_none(net, trainable_only=True)) == (count, trainable)


@pytest.mark.parametrize("wrong", WRONG_COUNTS)
def test_parameters_property_rejects_wrong_counts(wrong):
    """The random trees hold one against each plausible wrong way to count."""

    def differs(net):
        try:
            return WRONG_COUNTS[wrong](net) != brute_force(net)[2][0]
        except (RuntimeError, ValueError):
            return False  # a refusal is no wrong count

    assert differs(counter_example(trees(), differs))


# --- Timer ------------------------------------------------------------------------------------------------------------

ACTIONS = ["start", "stop", "with", "with error", "stop inside"]
timings = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 40)), max_size=12)


def expected_laps(sequence):
    """Follow a stopwatch on paper: the laps in eighths of a second, and how many calls it must refuse."""
    now, started, laps, refused = 0, 0, [], 0
    for action, eighths in sequence:
        now += eighths
        if action == "start":
            started = now
        elif action == "with":
            laps.append(eighths)
            now, started = now + eighths, None
        elif action == "with error":
            now, started = now + eighths, None
        elif action == "stop inside":
            laps.append(0)
            refused, started = refused + 1, None
        elif started is None:
            refused += 1
        else:
            laps.append(now - started)
            started = None
    return [lap / 8 for lap in laps], refused


class Clock:
    """A clock that stands still until it is told to go on."""

    now = 1000.0

    def __call__(self):
        return self.now


def measured_laps(kind, sequence):
    """Let a timer measure the same with a clock that the test sets; return its laps and how often it refused."""
    clock, refused = Clock(), 0
    with mock.patch.object(timing, "clock_seconds", clock):
        timer = kind()
        for action, eighths in sequence:
            clock.now += eighths / 8
            try:
                if action in ("start", "stop"):
                    getattr(timer, action)()
                    continue
                with timer:
                    clock.now += 0 if action == "stop inside" else eighths / 8
                    if action == "with error":
                        raise KeyError
                    if action == "stop inside":
                        timer.stop()
            except RuntimeError:
                refused += 1
            except KeyError:
                pass
    return timer.times, refused


class NeverRestarted(Timer):
    def start(self):
        if getattr(self, "_started", None) is None:
            super().start()


class KeepsRunning(Timer):
    def stop(self):
        started = self._started
        lap = super().stop()
        self._started = started
        return lap


class CountsFailures(Timer):
    def __exit__(self, *error):
        self.stop()


class StartsStopped(Timer):
    def __init__(self):
        super().__init__()
        self._started = None


@checked
@hypothesis.given(timings)
def test_timer_agrees_with_a_stopwatch_on_paper(sequence):
    """After any sequence of starts, stops and blocks, laps, sums, averages and refusals are the ones on paper."""
    laps, refused = expected_laps(sequence)

    assert measured_laps(Timer, sequence) == (laps, refused)


@checked
@hypothesis.given(st.lists(st.integers(0, 2**20), min_size=1, max_size=20))
def test_timer_statistics_agree_with_numpy(eighths):
    """Sum, average and cumulative sums are numpy's, exactly, for laps that floats hold exactly."""
    laps = np.array(eighths) / 8
    timer = Timer()
    timer.times = laps.tolist()

    assert (timer.sum(), timer.avg(), timer.cumsum()) == (laps.sum(), laps.sum() / len(laps), laps.cumsum().tolist())


@pytest.mark.parametrize("wrong", [NeverRestarted, KeepsRunning, CountsFailures, StartsStopped])
def test_timer_property_rejects_wrong_timers(wrong):
    """The random sequences hold one against each plausible wrong timer."""
    assert counter_example(timings, lambda sequence: measured_laps(wrong, sequence) != expected_laps(sequence))
