"""Handlers: what answers for a torch function while a machine is pretended, registered where it is written."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..hardware import Hardware
from ..operations import Call

__all__ = ["ANSWERS", "HANDLERS", "Answer", "Handler", "answers", "handles", "not_covered"]

Handler = Callable[[Hardware, Call], Any]  # answers a call that PretendFunctionMode sees
Answer = Callable[..., Any]  # takes the place of an attribute of torch; gets the machine, then the call's arguments
Function = TypeVar("Function", bound=Callable[..., Any])

HANDLERS: dict[Callable[..., Any], Handler] = {}
ANSWERS: list[tuple[Any, str, Answer]] = []


def handles(*functions: Callable[..., Any]) -> Callable[[Function], Function]:
    """Register the function below as the handler of these torch functions.

    Raises:
        ValueError: if one of them has a handler already.
    """

    def register(handler: Function) -> Function:
        for function in functions:
            if function in HANDLERS:
                raise ValueError(f"{function} must have one handler; got a second one, {handler.__name__}")
            HANDLERS[function] = handler
        return handler

    return register


def answers(owner: Any, *names: str) -> Callable[[Function], Function]:
    """Register the function below to take the place of an owner's attributes while a block is open.

    Raises:
        ValueError: if something else takes one of these places already.
    """

    def register(answer: Function) -> Function:
        for name in names:
            if any(each_owner is owner and each_name == name for each_owner, each_name, _ in ANSWERS):
                raise ValueError(f"{owner}.{name} must have one answer; got a second one, {answer.__name__}")
            ANSWERS.append((owner, name, answer))
        return answer

    return register


def not_covered(name: str, advice: str) -> NotImplementedError:
    """Return the error for what a pretended machine cannot do as a real one does."""
    return NotImplementedError(f"{name} is not covered by pretend_gpus: {advice}")
