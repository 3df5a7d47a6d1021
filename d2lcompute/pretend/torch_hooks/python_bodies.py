"""Bodies: torch functions written in Python, run so that what they call is seen."""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from torch.overrides import TorchFunctionMode

from ..operations import Call

__all__ = ["run_seen", "unguarded"]

_GUARDS = ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic")


@cache
def unguarded(func: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return a torch function's body, to be run while a mode is active; None if it is not written in Python.

    Such a function begins with a guard, ``has_torch_function``, and hands itself over to the mode if there is one. A
    mode is not active inside its own ``__torch_function__``, so calls in the body would not reach it. This body is run
    with the guard off and the mode on.
    """
    if not isinstance(func, FunctionType):
        return None
    asked = [name for name in _GUARDS if name in func.__globals__ and name in func.__code__.co_names]
    if not asked:
        return None
    scope = func.__globals__ | dict.fromkeys(asked, lambda *_: False)
    body = FunctionType(func.__code__, scope, func.__name__, func.__defaults__, func.__closure__)
    body.__kwdefaults__ = func.__kwdefaults__
    return body


def run_seen(mode: TorchFunctionMode, call: Call) -> Any:
    """Make a call whose body a mode sees at work, not the call itself."""
    with mode:
        return (unguarded(call.func) or call.func)(*call.args, **call.kwargs)
