"""Comparing what came with what was expected, without trusting what came."""

import re
import reprlib
from typing import Any

import torch

from ..._translation import tr
from ..sandbox.stop import TimeIsUp

__all__ = ["difference", "plain_text", "shorten", "shown"]

# Sums taken in another order differ by a few units in the last place, and more after a few layers.
_TOLERANCES = {
    torch.float64: 1e-8,
    torch.complex128: 1e-8,
    torch.float32: 1e-4,
    torch.complex64: 1e-4,
    torch.float16: 1e-2,
    torch.bfloat16: 5e-2,
}

# Colours and the like, which terminals and notebooks obey: control sequences, and strings such as a window's title.
_COMMANDS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_X].*?(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\-~]", re.DOTALL)
# What is left of them, and what nobody sees: other control characters, marks that turn the direction of writing, and
# halves of characters, which cannot be printed.
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def difference(came: Any, expected: Any) -> tuple[str, str] | None:
    """Describe the first difference as (what was expected, what came), or return None where there is none.

    Tensors are equal if shape, dtype and values are, up to the rounding of their dtype. Tuples, lists and dicts are
    compared item by item, a dict also in its order. Anything else must have the expected type and be equal.
    """
    if isinstance(expected, torch.Tensor):
        return _tensor_difference(came, expected)
    if isinstance(expected, dict) and isinstance(came, dict):
        return _dict_difference(came, expected)
    if isinstance(expected, list | tuple) and _same_type(came, expected):
        return _sequence_difference(came, expected)
    if isinstance(expected, float) and _same_type(came, expected):
        return None if abs(came - expected) <= 1e-4 * max(1.0, abs(expected)) else (shown(expected), shown(came))
    if _same_type(came, expected) and bool(came == expected):
        return None
    return shown(expected), shown(came)


def shown(value: Any) -> str:
    """Describe a value in one short line, also one whose ``repr`` raises."""
    try:
        if isinstance(value, torch.Tensor):
            return _tensor_text(value)
        if isinstance(value, type):
            return tr("the class {name}", name=_class_name(value))
        return shorten(_SHORT.repr(value))
    except Exception as error:
        return tr(
            "an object of type {kind} (its repr raises {error})",
            kind=_class_name(type(value)),
            error=_class_name(type(error)),
        )


def plain_text(error: BaseException) -> str:
    """Describe an exception in one short line, also one whose ``str`` raises."""
    try:
        text = str(error)
    except TimeIsUp:
        raise
    except BaseException:  # whatever it is, it is no fault of the checker's
        text = ""
    name = _class_name(type(error))
    return shorten(f"{name}: {text}" if text else name, 240)


def shorten(text: str, width: int = 160) -> str:
    """Put a text on one line, without colours and invisible characters, and cut it after ``width`` characters."""
    line = " ".join(_COMMANDS.sub("", text[: 4 * width]).split())
    line = _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], line)
    return line if len(line) <= width else line[: width - 4] + " ..."


def _class_name(kind: type) -> str:
    """Return a class's name, also where its own class answers in its place."""
    return shorten(type.__dict__["__name__"].__get__(kind), 80)


class _Short(reprlib.Repr):
    """A repr that stays short in long containers, and tells on objects whose repr raises."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 8
        self.maxstring = self.maxother = 100

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002  (reprlib's signature)
        return shown(x) if isinstance(x, torch.Tensor) else shorten(repr(x))


_SHORT = _Short()


def _tensor_text(tensor: torch.Tensor) -> str:
    """Describe a tensor: the value of one that holds a single number, else shape and dtype."""
    if tensor.ndim == 0 and not tensor.is_meta:
        return (
            tr("the tensor {value:.6g}", value=tensor.item())
            if tensor.is_floating_point()
            else tr("the tensor {value}", value=tensor.item())
        )
    return tr("a tensor of shape {shape}, {dtype}", shape=tuple(tensor.shape), dtype=tensor.dtype)


def _tensor_difference(came: Any, expected: torch.Tensor) -> tuple[str, str] | None:
    """Compare with a tensor: type, shape, dtype, then values."""
    if not isinstance(came, torch.Tensor):
        return shown(expected), shown(came)
    if came.shape != expected.shape or came.dtype != expected.dtype:
        return (
            tr("a tensor of shape {shape}, {dtype}", shape=tuple(expected.shape), dtype=expected.dtype),
            tr("a tensor of shape {shape}, {dtype}", shape=tuple(came.shape), dtype=came.dtype),
        )
    came, expected = came.detach().to("cpu"), expected.detach().to("cpu")
    tolerance = _TOLERANCES.get(expected.dtype, 0.0)
    far = ~torch.isclose(came, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not bool(far.any()):
        return None
    place = tuple(int(i) for i in far.nonzero()[0])
    one, other = f"{expected[place].item():.5g}", f"{came[place].item():.5g}"
    if not place:
        return one, tr("{value} ({amount})", value=other, amount=_amount(far))
    at = list(place)
    return (
        tr("{value} at {place}", value=one, place=at),
        tr("{value} at {place} ({amount})", value=other, place=at, amount=_amount(far)),
    )


def _amount(far: torch.Tensor) -> str:
    """Say how many of a tensor's values differ."""
    return (
        tr("all values differ")
        if bool(far.all())
        else tr("{count} of {total} values differ", count=int(far.sum()), total=far.numel())
    )


def _dict_difference(came: dict[Any, Any], expected: dict[Any, Any]) -> tuple[str, str] | None:
    """Compare two dicts: their keys, the order of these, then the values."""
    for key in expected:
        if key not in came:
            return tr("the key {key!r}", key=key), tr("no such key, only {keys}", keys=shown(list(came)))
    for key in came:
        if key not in expected:
            return tr("the keys {keys}", keys=shown(list(expected))), tr("also the key {key}", key=shown(key))
    if list(came) != list(expected):
        return tr("the order {keys}", keys=shown(list(expected))), tr("the order {keys}", keys=shown(list(came)))
    for key, value in expected.items():
        found = difference(came[key], value)
        if found:
            return f"{key!r}: {found[0]}", f"{key!r}: {found[1]}"
    return None


def _sequence_difference(came: Any, expected: Any) -> tuple[str, str] | None:
    """Compare two sequences: length, then item by item."""
    if len(came) != len(expected):
        return _counted(expected), _counted(came)
    for i, (one, other) in enumerate(zip(came, expected, strict=True)):
        found = difference(one, other)
        if found:
            item = tr("item {number}: ", number=i)
            return item + found[0], item + found[1]
    return None


def _counted(values: Any) -> str:
    """Return how many values there are, and the values."""
    if len(values) == 1:
        return tr("1 item: {values}", values=shown(values))
    return tr("{count} items: {values}", count=len(values), values=shown(values))


def _same_type(came: Any, expected: Any) -> bool:
    """Tell whether ``came`` has the expected type; True is no integer here."""
    return isinstance(came, type(expected)) and isinstance(came, bool) == isinstance(expected, bool)
