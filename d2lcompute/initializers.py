"""Initializers: functions for ``net.apply`` that fill the linear layers of a net.

Each takes one module, fills it if it is an ``nn.Linear`` or a subclass of it, and leaves every other module alone.
"""

from typing import TypeGuard

import torch
from torch import nn

from ._translation import tr

__all__ = ["init_42", "init_constant", "init_normal", "init_xavier", "my_init"]


def init_normal(module: nn.Module) -> None:
    """Fill a linear layer's weight from N(0, 0.01²) and its bias with 0.

    Args:
        module: any module; ``net.apply(init_normal)`` hands over each of a net's.

    Raises:
        RuntimeError: if it is a lazy linear layer that has not seen data yet.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).apply(init_normal)
        >>> net[0].bias.count_nonzero()
        tensor(0)

    Source:
        Book zh 5.2.2 / en 6.3.1.
    """
    if _is_linear(module):
        nn.init.normal_(module.weight, std=0.01)
        _zero_bias(module)


def init_constant(module: nn.Module) -> None:
    """Fill a linear layer's weight with 1 and its bias with 0.

    All units of a layer then compute the same and stay the same: good for looking at, useless for learning.

    Args:
        module: any module.

    Raises:
        RuntimeError: if it is a lazy linear layer that has not seen data yet.

    Example:
        >>> nn.Linear(2, 1).apply(init_constant)(torch.tensor([3.0, 4.0])).item()
        7.0

    Source:
        Book zh 5.2.2 / en 6.3.1.
    """
    if _is_linear(module):
        nn.init.ones_(module.weight)
        _zero_bias(module)


def init_xavier(module: nn.Module) -> None:
    """Fill a linear layer's weight from Xavier's uniform distribution; the bias stays as it is.

    The bound is √(6 / (inputs + outputs)).

    Args:
        module: any module.

    Raises:
        RuntimeError: if it is a lazy linear layer that has not seen data yet.

    Example:
        >>> bool(nn.Linear(100, 200).apply(init_xavier).weight.abs().max() <= (6 / 300) ** 0.5)
        True

    Source:
        Book zh 5.2.2 / en 6.3.1; Glorot and Bengio 2010.
    """
    if _is_linear(module):
        nn.init.xavier_uniform_(module.weight)


def init_42(module: nn.Module) -> None:
    """Fill a linear layer's weight with 42; the bias stays as it is.

    Args:
        module: any module.

    Raises:
        RuntimeError: if it is a lazy linear layer that has not seen data yet.

    Example:
        >>> nn.Linear(2, 1).apply(init_42).weight.tolist()
        [[42.0, 42.0]]

    Source:
        Book zh 5.2.2 / en 6.3.1.
    """
    if _is_linear(module):
        nn.init.constant_(module.weight, 42)


def my_init(module: nn.Module) -> None:
    """Fill a linear layer's weight from U(−10, 10), then set to 0 what is closer to 0 than 5; the bias stays.

    Args:
        module: any module.

    Raises:
        RuntimeError: if it is a lazy linear layer that has not seen data yet.

    Example:
        >>> weight = nn.Linear(50, 50).apply(my_init).weight
        >>> bool(((weight == 0) | (weight.abs() >= 5)).all())
        True

    Source:
        Book zh 5.2.2 / en 6.3.1.
    """
    if _is_linear(module):
        with torch.no_grad():
            module.weight.uniform_(-10, 10)
            module.weight *= module.weight.abs() >= 5


def _is_linear(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Tell whether a module is a linear layer, and refuse one whose shape is not known yet."""
    if not isinstance(module, nn.Linear):
        return False
    if nn.parameter.is_lazy(module.weight):
        raise RuntimeError(
            tr(
                "{kind} has no values to fill yet: its shape is known once data has passed through. "
                "Run the net once on a batch, such as net(torch.zeros(1, in_features)), then apply the initializer",
                kind=type(module).__name__,
            )
        )
    return True


def _zero_bias(module: nn.Linear) -> None:
    """Fill a linear layer's bias with 0 if it has one."""
    if module.bias is not None:
        nn.init.zeros_(module.bias)
