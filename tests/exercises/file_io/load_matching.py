"""Wrong answers to ``load_matching``."""

from typing import Any

from torch import nn

from d2lcompute.exercises.lessons.file_io.load_matching import State, load_matching
from tests.exercises.wrong_answers import WrongAnswer


def _fitting(net: nn.Module, state_dict: State) -> State:
    """Return the entries that fit; the wrong answers differ in what they do with them."""
    own = net.state_dict()
    return {name: value for name, value in state_dict.items() if name in own and value.shape == own[name].shape}


def _everything(net: nn.Module, state_dict: State) -> Any:
    return net.load_state_dict(state_dict, strict=False).unexpected_keys


def _changes_a_dict(net: nn.Module, state_dict: State) -> Any:
    fitting = _fitting(net, state_dict)
    net.state_dict().update(fitting)
    return [name for name in state_dict if name not in fitting]


def _parameters_alone(net: nn.Module, state_dict: State) -> Any:
    own = dict(net.named_parameters())
    fitting = {name: value for name, value in state_dict.items() if name in own and value.shape == own[name].shape}
    net.load_state_dict(fitting, strict=False)
    return [name for name in state_dict if name not in fitting]


def _copies_what_it_can(net: nn.Module, state_dict: State) -> Any:
    own, left_out = net.state_dict(), []
    for name, value in state_dict.items():
        try:
            own[name].copy_(value)
        except (KeyError, RuntimeError):
            left_out.append(name)
    return left_out


def _by_number(net: nn.Module, state_dict: State) -> Any:
    own, left_out = net.state_dict(), []
    for name, value in state_dict.items():
        if name in own and own[name].numel() == value.numel():
            own[name].copy_(value.reshape(own[name].shape))
        else:
            left_out.append(name)
    return left_out


def _missing_keys(net: nn.Module, state_dict: State) -> Any:
    return net.load_state_dict(_fitting(net, state_dict), strict=False).missing_keys


def _unknown_names(net: nn.Module, state_dict: State) -> Any:
    load_matching(net, state_dict)
    return [name for name in state_dict if name not in net.state_dict()]


def _sorted_names(net: nn.Module, state_dict: State) -> Any:
    return sorted(load_matching(net, state_dict))


def _takes_entries_out(net: nn.Module, state_dict: State) -> Any:
    left_out = [name for name in state_dict if name not in _fitting(net, state_dict)]
    for name in left_out:
        del state_dict[name]
    net.load_state_dict(state_dict, strict=False)
    return left_out


def _assigns(net: nn.Module, state_dict: State) -> Any:
    fitting = _fitting(net, state_dict)
    net.load_state_dict(fitting, strict=False, assign=True)
    return [name for name in state_dict if name not in fitting]


WRONG_ANSWERS = (
    WrongAnswer(_everything, "Which of the entries fit", "strict=False sounds as if it would skip what differs."),
    WrongAnswer(_changes_a_dict, "does not change the net", "A state_dict holds references, so why not update it."),
    WrongAnswer(_parameters_alone, "has buffers besides", "Parameters are what one thinks of."),
    WrongAnswer(_copies_what_it_can, "copy_ has stretched", "Trying is shorter than comparing shapes."),
    WrongAnswer(_by_number, "the shape is not", "If the numbers of elements agree, everything finds a place."),
    WrongAnswer(_missing_keys, "the net's names that got nothing", "load_state_dict returns it, ready to use."),
    WrongAnswer(_unknown_names, "whose shape does not fit", "Shapes were dealt with before."),
    WrongAnswer(_sorted_names, "The order is another one", "Sets and sorting make the difference easy to take."),
    WrongAnswer(_takes_entries_out, "out of the caller's dict", "Deleting is the shortest way to a smaller dict."),
    WrongAnswer(_assigns, "The net has taken the tensors", "assign=True saves a copy."),
)
