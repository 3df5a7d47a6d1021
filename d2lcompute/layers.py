"""Layers: one without parameters, one with."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._arguments import checked_integer
from ._translation import N_, tr

__all__ = ["CenteredLayer", "MyLinear"]


class CenteredLayer(nn.Module):
    """Subtract the mean: ``X - mean(X)``.

    Args:
        dim: the dimension over which to take the mean; None takes it over all elements, as the book does, so that
            examples of one batch influence each other.

    Shape:
        ``(*)`` → the same shape

    Example:
        >>> CenteredLayer()(torch.tensor([1.0, 2, 3, 4, 5]))
        tensor([-2., -1.,  0.,  1.,  2.])

    Source:
        Book zh 5.4.1 / en 6.5.1.
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = None if dim is None else checked_integer("dim", dim, meaning=N_("or None for all elements"))

    def forward(self, X: Tensor) -> Tensor:
        """Subtract the mean over ``dim``, or over all elements."""
        return X - (X.mean() if self.dim is None else X.mean(self.dim, keepdim=True))

    def extra_repr(self) -> str:
        """Show the dimension, unless it is all of them."""
        return "" if self.dim is None else f"dim={self.dim}"


class MyLinear(nn.Module):
    """Fully connected layer: ``activation(X @ weight + bias)``.

    The weight has the book's shape, the transpose of ``nn.Linear``'s. The initial values have ``nn.Linear``'s
    distribution: uniform between ±1/√in_units. Gradients reach the parameters, which are used as they are; the book's
    ``forward`` goes through ``.data``, which cuts them off.

    Args:
        in_units: size of each input.
        units: size of each output.
        bias: whether to add a bias.
        activation: a function from tensor to tensor for the result, such as ``F.relu`` (the book's variant).
        device: where the parameters are made.
        dtype: the parameters' type.

    Shape:
        ``(*, in_units)`` → ``(*, units)``

    Attributes:
        weight: ``(in_units, units)``
        bias: ``(units,)``, or None

    Raises:
        TypeError: if ``in_units`` or ``units`` is no integer, or ``activation`` cannot be called; at a call, if the
            input has another dtype than the weight.
        ValueError: if ``in_units`` or ``units`` is less than 1; at a call, if the input has another width.

    Example:
        >>> layer = MyLinear(5, 3, activation=F.relu)
        >>> layer
        MyLinear(in_units=5, units=3, bias=True, activation=relu)
        >>> layer(torch.ones(2, 5)).shape
        torch.Size([2, 3])

    Source:
        Book zh 5.4.2 / en 6.5.2.
    """

    bias: nn.Parameter | None

    def __init__(
        self,
        in_units: int,
        units: int,
        *,
        bias: bool = True,
        activation: Callable[[Tensor], Tensor] | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.in_units = checked_integer("in_units", in_units, minimum=1)
        self.units = checked_integer("units", units, minimum=1)
        if activation is not None and not callable(activation):
            raise TypeError(
                tr("activation must be a function such as F.relu, or None; got {activation!r}", activation=activation)
            )
        self.activation = activation
        self.weight = nn.Parameter(torch.empty(self.in_units, self.units, device=device, dtype=dtype))
        if bias:
            self.bias = nn.Parameter(torch.empty(self.units, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew from U(−1/√in_units, 1/√in_units)."""
        bound = 1 / math.sqrt(self.in_units)
        for parameter in self.parameters(recurse=False):
            nn.init.uniform_(parameter, -bound, bound)

    def forward(self, X: Tensor) -> Tensor:
        """Multiply, add the bias, apply the activation."""
        try:
            if X.ndim == 2 and self.bias is not None:
                Y = torch.addmm(self.bias, X, self.weight)  # what F.linear does in the end, without turning the weight
            else:
                Y = F.linear(X, self.weight.T, self.bias)
        except RuntimeError as error:
            self._explain(X, error)
            raise
        return Y if self.activation is None else self.activation(Y)

    def _explain(self, X: Tensor, error: RuntimeError) -> None:
        """Raise the layer's own words for an input that cannot fit; other errors are torch's to tell."""
        if X.ndim == 0 or X.shape[-1] != self.in_units:
            raise ValueError(
                tr(
                    "X must have {count} features in its last dimension, the layer's in_units; got an input of "
                    "shape {shape} for a weight of shape {weight_shape}",
                    count=self.in_units,
                    shape=tuple(X.shape),
                    weight_shape=tuple(self.weight.shape),
                )
            ) from error
        if X.dtype != self.weight.dtype:
            raise TypeError(
                tr(
                    "X must have the dtype of the layer's weight, {expected}; got {got} of shape {shape}: "
                    "write X.to({expected}), or X.float()",
                    expected=self.weight.dtype,
                    got=X.dtype,
                    shape=tuple(X.shape),
                )
            ) from error

    def extra_repr(self) -> str:
        """Show the sizes, whether there is a bias, and an activation that is a plain function."""
        text = f"in_units={self.in_units}, units={self.units}, bias={self.bias is not None}"
        if self.activation is None or isinstance(self.activation, nn.Module):
            return text  # an activation that is a module has a line of its own below this one
        return f"{text}, activation={getattr(self.activation, '__name__', type(self.activation).__name__)}"
