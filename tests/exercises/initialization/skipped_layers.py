"""Wrong answers to ``skipped_layers``."""

from typing import Any

from torch import nn

from d2lcompute.exercises.lessons.initialization.skipped_layers import skipped_layers
from tests.exercises.wrong_answers import WrongAnswer


def _outermost(net: nn.Module) -> Any:
    return [name for name, m in net.named_children() if isinstance(m, nn.Linear) and type(m) is not nn.Linear]


def _lazy_alone(net: nn.Module) -> Any:
    return [name for name, m in net.named_modules() if isinstance(m, nn.LazyLinear)]


def _ready_alone(net: nn.Module) -> Any:
    return [name for name in skipped_layers(net) if not isinstance(net.get_submodule(name), nn.LazyLinear)]


def _by_class_name(net: nn.Module) -> Any:
    return [name for name, m in net.named_modules() if type(m).__name__.endswith("Linear") and type(m) is not nn.Linear]


def _any_linear(net: nn.Module) -> Any:
    return [name for name, m in net.named_modules() if isinstance(m, nn.Linear)]


def _any_other(net: nn.Module) -> Any:
    return [name for name, m in net.named_modules() if type(m) is not nn.Linear]


def _layers(net: nn.Module) -> Any:
    return [m for m in net.modules() if isinstance(m, nn.Linear) and type(m) is not nn.Linear]


WRONG_ANSWERS = (
    WrongAnswer(_outermost, "Only the outermost level", "named_children() stops after one level."),
    WrongAnswer(_lazy_alone, "Which modules are an nn.Linear", "Lazy layers are the best-known case."),
    WrongAnswer(_ready_alone, "What is the type of a lazy layer", "A lazy layer has nothing to fill yet."),
    WrongAnswer(_by_class_name, "Which modules are an nn.Linear", "A class need not have Linear in its name."),
    WrongAnswer(_any_linear, "they would be filled", "The second question is forgotten."),
    WrongAnswer(_any_other, "Two questions about a module", "The first question is forgotten."),
    WrongAnswer(_layers, "Names are asked for", "The layers are at hand, and they are returned."),
)
