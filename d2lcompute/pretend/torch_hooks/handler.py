"""Handlers: what answers for a torch function while a machine is pretended, registered where it is written."""

from collections.abc import Callable
from typing import Any, TypeVar

from ..._current_machine import current_machine
from ..hardware import Hardware
from ..operations import Call

__all__ = ["ANSWERS", "HANDLERS", "Answer", "Handler", "answers", "constructs", "handles", "not_covered"]

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


def constructs(owner: Any, name: str) -> Callable[[Function], Function]:
    """Register the function below to make the instances of a class that is written in C, and cannot be changed itself.

    It gets the machine, the class, and the arguments of the call. While a block is open, a stand-in has the place of
    the class: it makes instances so in a thread that is pretended to, and those of the class in every other.
    """

    def register(make: Function) -> Function:
        original = getattr(owner, name)

        class StandIn(type(original)):  # type: ignore[misc]  # the class of a class
            def __call__(cls, *args: Any, **kwargs: Any) -> Any:
                machine = current_machine()
                return original(*args, **kwargs) if machine is None else make(machine, original, *args, **kwargs)

            def __instancecheck__(cls, instance: object) -> bool:
                return isinstance(instance, original)

        own = {"__module__": owner.__name__, "__doc__": original.__doc__}
        answers(owner, name)(StandIn(name, (original,), own))
        return make

    return register


def not_covered(name: str, advice: str) -> NotImplementedError:
    """Return the error for what a pretended machine cannot do as a real one does."""
    return NotImplementedError(f"{name} is not covered by pretend_gpus: {advice}")
