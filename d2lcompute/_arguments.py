"""Arguments: the one check of an integer, in the one wording."""

import operator
from typing import Any

__all__ = ["checked_integer"]


def checked_integer(name: str, value: Any, *, minimum: int | None = None, meaning: str = "") -> int:
    """Return an argument as a plain integer.

    NumPy's integers and 0-dimensional integer tensors are taken, as torch takes them; True and False are not, since
    they are hardly ever meant as 1 and 0.

    Args:
        name: the argument's name.
        value: what was handed over.
        minimum: the least integer that is allowed; by default any.
        meaning: what the integer is, for the error: ``"the number of devices to pretend"``.

    Raises:
        TypeError: if it is no integer.
        ValueError: if it is less than ``minimum``.

    Example:
        >>> import numpy
        >>> checked_integer("units", numpy.int64(3), minimum=1)
        3
    """
    explained = f", {meaning}" if meaning else ""
    try:
        integer = operator.index(value)
    except TypeError:
        integer = None
    if integer is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer{explained}; got {value!r} ({type(value).__name__})")
    if minimum is not None and integer < minimum:
        raise ValueError(f"{name} must be {minimum} or more{explained}; got {integer}")
    return integer
