"""Blocks: the book's ways of building one module out of others."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, MutableSequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._arguments import checked_integer
from ._translation import N_, tr

__all__ = ["MLP", "FixedHiddenMLP", "MySequential", "NestMLP"]

_NAME_TAKEN = N_("the next block gets the name {name!r}, and another block has it: rename that one first")


class MLP(nn.Module):
    """Multilayer perceptron with one hidden layer: ``out(relu(hidden(X)))``.

    Args:
        in_features: size of each input.
        hidden_features: size of the hidden layer.
        out_features: size of each output.

    Shape:
        ``(*, in_features)`` → ``(*, out_features)``

    Example:
        >>> MLP()(torch.ones(2, 20)).shape
        torch.Size([2, 10])

    Source:
        Book zh 5.1.1 / en 6.1.1.
    """

    def __init__(self, *, in_features: int = 20, hidden_features: int = 256, out_features: int = 10) -> None:
        super().__init__()
        self.hidden = nn.Linear(in_features, hidden_features)
        self.out = nn.Linear(hidden_features, out_features)

    def forward(self, X: Tensor) -> Tensor:
        """Apply the hidden layer, ReLU and the output layer."""
        return self.out(F.relu(self.hidden(X)))


class MySequential(nn.Module, MutableSequence[nn.Module]):
    """Blocks that run one after the other, as often as they appear: ``nn.Sequential`` on the protocol of a list.

    Args:
        *blocks: modules in the order in which they run, or one ``OrderedDict`` from names to modules.

    Raises:
        TypeError: if a block is no ``nn.Module``.

    Example:
        >>> MySequential(nn.Linear(4, 8), nn.ReLU()).append(nn.Linear(8, 2))(torch.ones(3, 4)).shape
        torch.Size([3, 2])

    Source: Book zh 5.1.2 / en 6.1.2.
    """

    def __init__(self, *blocks: Any) -> None:
        super().__init__()
        named = len(blocks) == 1 and isinstance(blocks[0], OrderedDict)
        for name, block in blocks[0].items() if named else enumerate(blocks):
            self.add_module(str(name), _checked_block(block))

    def forward(self, X: Any) -> Any:
        """Hand the input through every block in turn."""
        for block in self._modules.values():
            X = block(X)  # type: ignore[misc]  # torch's type allows for None
        return X

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return list(self._modules.values())[index]

    def __setitem__(self, index: Any, block: Any) -> None:
        setattr(self, list(self._modules)[index], _checked_block(block))

    def __delitem__(self, index: Any) -> None:
        blocks = list(self)
        del blocks[index]
        self._number(blocks)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def insert(self, index: int, value: nn.Module) -> Self:  # type: ignore[override]  # torch returns self
        """Put a block before the ``index``-th; all are numbered anew, as after a deletion, and names are lost."""
        if not isinstance(value, nn.Module):  # an AssertionError, as nn.Sequential raises: programs may catch it
            raise AssertionError(f"module should be of type {nn.Module}; got {type(value)}")
        if not -len(self) <= index <= len(self):
            raise IndexError(tr("index {index} is out of range for {count} blocks", index=index, count=len(self)))
        return self._number([*[*self][:index], value, *[*self][index:]])

    def append(self, value: nn.Module) -> Self:  # type: ignore[override]  # torch returns self
        """Put a block at the end."""
        if (name := str(len(self))) in self._modules:
            raise KeyError(tr(_NAME_TAKEN, name=name))
        self.add_module(name, _checked_block(value))
        return self

    def extend(self, values: Iterable[nn.Module]) -> Self:  # type: ignore[override]  # torch returns self
        """Append each block."""
        super().extend(values)
        return self

    def __add__(self, other: Any) -> "MySequential":
        return MySequential(*self).__iadd__(other)

    def __iadd__(self, other: Any) -> Self:
        if not isinstance(other, MySequential | nn.Sequential):
            raise ValueError(
                tr("+ joins two sequences of blocks; got {kind}: wrap it in MySequential(...)", kind=type(other))
            )
        return self.extend(list(other))

    def __mul__(self, times: int) -> "MySequential":
        return MySequential(*list(self) * checked_integer("times", times, minimum=1, meaning=N_("how often to repeat")))

    __rmul__ = __mul__

    def __imul__(self, times: int) -> Self:
        return self._number(list(self * times))

    def _number(self, blocks: list[nn.Module]) -> Self:
        self._modules = {str(i): block for i, block in enumerate(blocks)}
        return self


def _checked_block(block: Any) -> nn.Module:
    """Return a block if it is a module; what people hand over instead is told by name, with what to write.

    Raises:
        TypeError: if it is no module, as ``nn.Sequential`` raises, too.
    """
    if isinstance(block, nn.Module):
        return block
    if isinstance(block, type) and issubclass(block, nn.Module):
        advice = tr("{name} is the class: write {name}() to make an object of it", name=block.__name__)
    elif isinstance(block, dict):
        advice = tr("a dict of blocks: hand it over as OrderedDict(blocks), alone")
    elif isinstance(block, Iterable) and not isinstance(block, torch.Tensor | str):
        advice = tr("a {kind} of blocks: write MySequential(*blocks)", kind=type(block).__name__)
    elif block is None:
        advice = tr("None: leave the block out, or write nn.Identity()")
    elif callable(block):
        advice = tr(
            "the function {name}: wrap it in a module whose forward calls it; for many there is one, as nn.ReLU()",
            name=getattr(block, "__name__", type(block).__name__),
        )
    else:
        advice = f"{block!r} ({type(block).__name__})"
    raise TypeError(tr("a block must be an nn.Module, an object such as nn.ReLU(); got {what}", what=advice))


class FixedHiddenMLP(nn.Module):
    """A block with a constant weight, one layer used twice, and a Python loop in its ``forward``.

    The constant is a buffer: it is saved, moved and cast with the block, and no optimizer sees it. (In the book it is
    a plain attribute, which ``state_dict``, ``to`` and ``double`` miss.)

    Shape:
        ``(n, 20)`` → a scalar whose absolute value is at most 1

    Raises:
        ValueError: if the output is not finite, since halving infinity would never end.

    Example:
        >>> sorted(FixedHiddenMLP().state_dict())
        ['linear.bias', 'linear.weight', 'rand_weight']

    Source:
        Book zh 5.1.3 / en 6.1.3.
    """

    rand_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rand_weight", torch.rand(20, 20))
        self.linear = nn.Linear(20, 20)

    def forward(self, X: Tensor) -> Tensor:
        """Apply linear, constant weight with ReLU, the same linear; halve until the sum of magnitudes is at most 1."""
        X = self.linear(F.relu(self.linear(X) @ self.rand_weight + 1))
        if not X.isfinite().all():
            raise ValueError(
                tr("X leads to values that are infinite or NaN, and halving them would never end: check X")
            )
        while X.abs().sum() > 1:
            X = X / 2
        return X.sum()


class NestMLP(nn.Module):
    """A block made of a sequence of layers and one layer more.

    Shape:
        ``(*, 20)`` → ``(*, 16)``

    Example:
        >>> nn.Sequential(NestMLP(), nn.Linear(16, 20), FixedHiddenMLP())(torch.ones(2, 20)).shape
        torch.Size([])

    Source:
        Book zh 5.1.3 / en 6.1.3.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.linear = nn.Linear(32, 16)

    def forward(self, X: Tensor) -> Tensor:
        """Apply the nested sequence, then the last layer."""
        return self.linear(self.net(X))
