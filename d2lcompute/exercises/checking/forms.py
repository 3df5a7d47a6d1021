"""What kind of thing an answer is: a class, a function, several functions, a dict or a list."""

from typing import Any

from torch import nn

from ..._translation import N_, tr
from .compare import shown
from .exercise import Requirement
from .trial import Trial

__all__ = ["a_dict", "a_function", "a_list", "a_module_class", "a_value", "functions"]


def a_module_class(answer: Any, trial: Trial) -> None:
    """The answer is a class derived from nn.Module."""
    if isinstance(answer, type) and issubclass(answer, nn.Module):
        return
    remark = tr("Write class Name(nn.Module): what derives from nn.Module is called, moved and saved like any layer.")
    if isinstance(answer, nn.Module):
        remark = tr("Hand over the class itself, without parentheses: the check builds its own instances.")
    trial.fail(expected=tr("a class derived from nn.Module"), got=shown(answer), remark=remark)


def a_function(answer: Any, trial: Trial) -> None:
    """The answer is a function."""
    _require_function(answer, trial, tr("a function"))


def functions(*names: str) -> Requirement:
    """Return the form of a tuple of functions, such as ``(save, load)``."""

    def form(answer: Any, trial: Trial) -> None:
        wanted = tr("the tuple of functions ({names})", names=", ".join(names))
        if not isinstance(answer, tuple | list) or len(answer) != len(names):
            trial.fail(expected=wanted, got=shown(answer), remark=tr("Hand them over together, in parentheses."))
        for name, function in zip(names, answer, strict=True):
            _require_function(function, trial, tr("a function as {name}", name=name))

    form.__doc__ = f"The answer is a tuple of functions: ({', '.join(names)})."
    return form


def a_dict(**types: type) -> Requirement:
    """Return the form of a dict with these keys and these types of values."""

    def form(answer: Any, trial: Trial) -> None:
        if not isinstance(answer, dict) or set(answer) != set(types):
            trial.fail(
                expected=tr("a dict with the keys {keys}", keys=", ".join(map(repr, types))),
                got=tr("a dict with the keys {keys}", keys=shown(list(answer)))
                if isinstance(answer, dict)
                else shown(answer),
                remark=tr("Keep the keys of the stub, and replace each ... by what you observed."),
            )
        for key, wanted in types.items():
            _require_type(answer[key], wanted, trial, f"{key!r}: ")

    form.__doc__ = f"The answer is a dict with the keys {', '.join(map(repr, types))}."
    return form


def a_list(item: type) -> Requirement:
    """Return the form of a list whose items have this type."""

    def form(answer: Any, trial: Trial) -> None:
        if not isinstance(answer, list | tuple):
            trial.fail(
                expected=tr("a list of {kind}", kind=item.__name__),
                got=shown(answer),
                remark=tr("Hand over a list: [..., ...]."),
            )
        for i, value in enumerate(answer):
            _require_type(value, item, trial, tr("item {number}: ", number=i))

    form.__doc__ = f"The answer is a list of {item.__name__}."
    return form


def a_value(wanted: type) -> Requirement:
    """Return the form of a single value, such as a number that was predicted."""

    def form(answer: Any, trial: Trial) -> None:
        _require_type(answer, wanted, trial, "")

    form.__doc__ = f"The answer is {_WORDS.get(wanted, wanted.__name__)}."
    return form


_WORDS = {
    bool: N_("True or False"),
    int: N_("an integer"),
    float: N_("a number"),
    str: N_("a string"),
    tuple: N_("a tuple"),
}


def _require_function(answer: Any, trial: Trial, wanted: str) -> None:
    """Require something to call that is neither a class nor a layer."""
    if not callable(answer) or isinstance(answer, type | nn.Module):
        remark = tr("Hand over the function itself, without parentheses: the check calls it with inputs of its own.")
        trial.fail(expected=wanted, got=shown(answer), remark=remark)


def _require_type(value: Any, wanted: type, trial: Trial, prefix: str) -> None:
    """Require a value of a type; True is no integer here, and an integer will do as a float."""
    accepted: tuple[type, ...] = (int, float) if wanted is float else (wanted,)
    if isinstance(value, accepted) and isinstance(value, bool) == (wanted is bool):
        return
    if value is ... or value is None:
        remark = tr("This one is still open.")
    elif isinstance(value, type) and wanted is str:
        remark = tr("Write the name in quotes.")
    else:
        remark = tr("The value is of another kind than the task asks for.")
    trial.fail(expected=prefix + tr(_WORDS.get(wanted, wanted.__name__)), got=prefix + shown(value), remark=remark)
