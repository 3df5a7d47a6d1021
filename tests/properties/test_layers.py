"""Properties of MyLinear and CenteredLayer, against torch's own layers and closed forms."""

import hypothesis
import pytest
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import nn

from d2lcompute import CenteredLayer, MyLinear
from tests.properties.properties_support import checked, counter_example

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.complex64]


def first_difference(ours, theirs, dtype):
    """Return the name of the first of two lists of named tensors that differ by more than rounding can explain."""
    largest = max((reference.abs().max().item() for _, reference in theirs if reference.numel()), default=0.0)
    for (name, mine), (_, reference) in zip(ours, theirs, strict=True):
        try:
            torch.testing.assert_close(mine, reference, rtol=0, atol=32 * torch.finfo(dtype).eps * largest)
        except AssertionError:
            return name
    return None


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
