"""Arguments: the one check of an integer, in the one wording."""

import operator
from typing import Any

from ._translation import tr

__all__ = ["checked_integer"]


def checked_integer(name: str, value: Any, *, minimum: int | None = None, meaning: str = "") -> int:
    """Return an argument as a plain integer.

    NumPy's integers and 0-dimensional integer tensors are taken, as torch takes them; True and False are not, since
    they are hardly ever meant as 1 and 0.

    Args:
        name: the argument's name.
        value: what was handed over.
        minimum: the least integer that is allowed; by default any.
        meaning: what the integer is, for the error: ``N_("how often to repeat")``.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is less than ``minimum``.

    Example:
        >>> import numpy
        >>> checked_integer("units", numpy.int64(3), minimum=1)
        3
    """
    try:
        integer = operator.index(value)
    except TypeError:
        integer = None
    if integer is None or isinstance(value, bool):
        demand = (
            tr("{name} must be an integer, {meaning}", name=name, meaning=tr(meaning))
            if meaning
            else tr("{name} must be an integer", name=name)
        )
        raise TypeError(tr("{demand}; got {value!r} ({kind})", demand=demand, value=value, kind=type(value).__name__))
    if minimum is not None and integer < minimum:
        demand = (
            tr("{name} must be {minimum} or more, {meaning}", name=name, minimum=minimum, meaning=tr(meaning))
            if meaning
            else tr("{name} must be {minimum} or more", name=name, minimum=minimum)
        )
        raise ValueError(tr("{demand}; got {integer}", demand=demand, integer=integer))
    return integer
