"""Parameters: a net's parameters in one table, counted right also where they are tied or not yet initialized."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ._translation import tr

__all__ = ["ParameterRow", "ParameterTable", "count_parameters", "parameter_table", "tied_groups"]

_MOST_ROWS, _SHOWN_ROWS = 60, 20


@dataclass(frozen=True)
class ParameterRow:
    """One name of a parameter, as one row of a :class:`ParameterTable`.

    Attributes:
        name: the name, as in ``net.named_parameters()``.
        shape: the shape; None while a lazy layer has not seen data.
        dtype: the type of the elements.
        device: where the parameter lies.
        trainable: whether gradients are computed for it (``requires_grad``).
        tied_with: the other names of the very same parameter, in the net's order.
        initialized: False while a lazy layer has not seen data.
    """

    name: str
    shape: tuple[int, ...] | None
    dtype: torch.dtype
    device: torch.device
    trainable: bool
    tied_with: tuple[str, ...] = ()
    initialized: bool = True

    @property
    def elements(self) -> int | None:
        """The number of elements; None while the shape is not known."""
        return None if self.shape is None else torch.Size(self.shape).numel()


class ParameterTable(tuple[ParameterRow, ...]):
    """A tuple of rows that prints as an aligned table, with a total that counts each tied parameter once.

    The text is the same on every run. Two columns come only when needed: ``tied with`` when a parameter has several
    names, ``device`` when not all lies on the CPU. Elements counted above, under another name, stand in parentheses.
    Of more than 60 rows the repr shows the first and the last 20, as pandas does; :meth:`to_string` shows all.
    """

    def __repr__(self) -> str:
        return self._text(rows=_SHOWN_ROWS if len(self) > _MOST_ROWS else None)

    def to_string(self) -> str:
        """Return the whole table as text, however many rows it has.

        Example:
            >>> print(parameter_table(nn.Linear(4, 2)).to_string())
            name    shape   elements  dtype    trainable
            weight  (2, 4)         8  float32  yes
            bias    (2,)           2  float32  yes
            total: 10 elements in 2 parameters
        """
        return self._text(rows=None)

    def _text(self, *, rows: int | None) -> str:
        """Return the table; with a number of rows, so many from its top and so many from its end."""
        place = {row.name: i for i, row in enumerate(self)}
        firsts = {row.name: row for row in self if all(place[row.name] < place[other] for other in row.tied_with)}
        numbers = ["?" if row.elements is None else f"{row.elements:,}" for row in self]
        columns = {
            "name": [written_out(row.name) for row in self],
            "shape": ["uninitialized" if row.shape is None else str(row.shape) for row in self],
            "elements": [n if row.name in firsts else f"({n})" for n, row in zip(numbers, self, strict=True)],
            "dtype": [str(row.dtype).removeprefix("torch.") for row in self],
            "device": [str(row.device) for row in self],
            "trainable": ["yes" if row.trainable else "no" for row in self],
            "tied with": [_listed(row.tied_with) for row in self],
        }
        if all(row.device.type == "cpu" for row in self):
            del columns["device"]
        if len(firsts) == len(self):
            del columns["tied with"]
        if rows is not None:
            columns = {title: [*column[:rows], "...", *column[-rows:]] for title, column in columns.items()}
        return "\n".join([*_aligned(columns), _total(list(firsts.values()), names=len(self))])


def parameter_table(net: nn.Module) -> ParameterTable:
    """List every name of every parameter of a net; the result prints as a table.

    A tied parameter has a row for each of its names; ``net.named_parameters()`` shows the first alone. Buffers are
    no parameters and have no rows.

    Args:
        net: the net, or any block of one.

    Raises:
        TypeError: if ``net`` is no module.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 8))
        >>> net[2].weight = net[1].weight
        >>> parameter_table(net)
        name      shape   elements  dtype    trainable  tied with
        0.weight  (8, 4)        32  float32  yes
        0.bias    (8,)           8  float32  yes
        1.weight  (8, 8)        64  float32  yes        2.weight
        1.bias    (8,)           8  float32  yes
        2.weight  (8, 8)      (64)  float32  yes        1.weight
        2.bias    (8,)           8  float32  yes
        total: 120 elements in 5 parameters with 6 names
        >>> parameter_table(net)[4].tied_with
        ('1.weight',)

    Source:
        Book zh 5.2.1 / en 6.2.1.
    """
    names = _names_by_parameter(net)
    return ParameterTable(
        ParameterRow(
            name=name,
            shape=None if is_lazy(parameter) else tuple(parameter.shape),
            dtype=parameter.dtype,
            device=parameter.device,
            trainable=parameter.requires_grad,
            tied_with=tuple(other for other in names[parameter] if other != name),
            initialized=not is_lazy(parameter),
        )
        for name, parameter in net.named_parameters(remove_duplicate=False)
    )


def count_parameters(net: nn.Module, *, trainable_only: bool = False) -> int:
    """Count the elements of a net's parameters, those of a tied parameter once.

    Args:
        net: the net, or any block of one.
        trainable_only: leave out the parameters with ``requires_grad=False``.

    Raises:
        TypeError: if ``net`` is no module.
        ValueError: if a lazy layer among them has not seen data: its size is not known, and is not 0.

    Example:
        >>> shared = nn.Linear(8, 8)
        >>> count_parameters(nn.Sequential(shared, nn.ReLU(), shared))
        72
    """
    names = _names_by_parameter(net)
    counted = [parameter for parameter in names if parameter.requires_grad or not trainable_only]
    unknown = [names[parameter][0] for parameter in counted if is_lazy(parameter)]
    if unknown:
        raise ValueError(
            tr(
                "net must have seen data before its parameters can be counted; {names} have no shape yet: send "
                "one batch through the net, net(X), and count then",
                names=_listed(unknown),
            )
        )
    return sum(parameter.numel() for parameter in counted)


def tied_groups(net: nn.Module) -> list[tuple[str, ...]]:
    """Group the names under which a net holds one and the same parameter.

    Tied means the same ``nn.Parameter`` object, as autograd and optimizers see it: it has one gradient, the sum over
    its places. Two parameters that merely share memory (``a.data = b.data``) are not tied: each has its own gradient.

    Args:
        net: the net, or any block of one.

    Returns:
        A tuple of two names or more for each tied parameter, in the net's order; an empty list if none is tied.

    Raises:
        TypeError: if ``net`` is no module.

    Example:
        >>> shared = nn.Linear(8, 8)
        >>> tied_groups(nn.Sequential(shared, nn.ReLU(), shared))
        [('0.weight', '2.weight'), ('0.bias', '2.bias')]

    Source:
        Book zh 5.2.3 / en 6.2.2.
    """
    return [tuple(names) for names in _names_by_parameter(net).values() if len(names) > 1]


def _names_by_parameter(net: nn.Module) -> dict[nn.Parameter, list[str]]:
    """Return each parameter once, with all its names; tensors are told apart by identity, so they can be keys."""
    if not isinstance(net, nn.Module):
        got = (
            tr("the class {name}", name=net.__name__)
            if isinstance(net, type)
            else tr("a value of type {kind}", kind=type(net).__name__)
        )
        raise TypeError(tr("net must be a torch.nn.Module, an object such as nn.Linear(4, 2); got {what}", what=got))
    names: dict[nn.Parameter, list[str]] = {}
    for name, parameter in net.named_parameters(remove_duplicate=False):
        names.setdefault(parameter, []).append(name)
    return names


def written_out(name: str) -> str:
    """Return a name with letters that nobody sees, such as line breaks and commands to a terminal, written out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name)


def _listed(names: Sequence[str]) -> str:
    """Return names with commas, a long list of them cut short."""
    names = [written_out(name) for name in names]
    if len(names) < 4:
        return ", ".join(names)
    return tr("{names} and {count} more", names=", ".join(names[:2]), count=len(names) - 2)


def _total(parameters: list[ParameterRow], *, names: int) -> str:
    """Return the last line: the sum, and what a reader of the column would not see in it."""
    count = sum(row.elements or 0 for row in parameters)
    frozen = sum(row.elements or 0 for row in parameters if not row.trainable)
    missing = sum(not row.initialized for row in parameters)
    total = f"total: {count:,} element{'s' * (count != 1)} in {len(parameters)} parameter{'s' * (len(parameters) != 1)}"
    total += f" with {names} names" if names > len(parameters) else ""
    total += f"; not trainable: {frozen:,}" if frozen else ""
    return total + (f"; uninitialized parameters: {missing}" if missing else "")


def _aligned(columns: dict[str, list[str]]) -> list[str]:
    """Return the lines of a table; numbers stand to the right, words to the left, and no line ends in a space.

    Widths are those on a screen: a Chinese letter takes two columns.
    """
    import wcwidth  # here, since most who import the package print no table

    cells = []
    for title, column in columns.items():
        width = max(map(wcwidth.width, [title, *column]))
        align = wcwidth.rjust if title == "elements" else wcwidth.ljust
        cells.append([align(text, width) for text in [title, *column]])
    return ["  ".join(line).rstrip() for line in zip(*cells, strict=True)]
