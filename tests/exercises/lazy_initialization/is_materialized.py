"""Wrong answers to ``is_materialized``."""

from typing import Any

from torch import nn

from d2lcompute.exercises.lessons.lazy_initialization.is_materialized import is_materialized
from tests.exercises.wrong_answers import WrongAnswer


def _by_class(net: nn.Module) -> Any:
    return not any("Lazy" in type(module).__name__ for module in net.modules())


def _at_the_top(net: nn.Module) -> Any:
    layers = [net, *net.children()]
    return not any(
        nn.parameter.is_lazy(tensor)
        for layer in layers
        for tensor in (*layer.parameters(recurse=False), *layer.buffers(recurse=False))
    )


def _parameters_alone(net: nn.Module) -> Any:
    return not any(nn.parameter.is_lazy(parameter) for parameter in net.parameters())


def _by_size(net: nn.Module) -> Any:
    return all(tensor.size() != (0,) for tensor in (*net.parameters(), *net.buffers()))


def _some_are_ready(net: nn.Module) -> Any:
    tensors = [*net.parameters(), *net.buffers()]
    return not tensors or any(not nn.parameter.is_lazy(tensor) for tensor in tensors)


def _the_other_way_round(net: nn.Module) -> Any:
    return not is_materialized(net)


WRONG_ANSWERS = (
    WrongAnswer(_by_class, "A state_dict brings the shapes", "The class is what one sees when a net is printed."),
    WrongAnswer(_at_the_top, "look at any depth", "Most nets of the notebook have one level."),
    WrongAnswer(_parameters_alone, "What else does a module register", "Lazy linear layers have no buffers."),
    WrongAnswer(_by_size, "A tensor of shape (0,) has a shape", "size() gave (0,) for a placeholder."),
    WrongAnswer(_some_are_ready, "all of them have to be ready", "any and all are easily confused."),
    WrongAnswer(_the_other_way_round, "What tells a placeholder", "is_lazy is true for what is not ready."),
)
