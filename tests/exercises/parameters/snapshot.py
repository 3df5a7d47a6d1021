"""Wrong answers to ``snapshot``."""

import copy
from typing import Any

from torch import nn

from tests.exercises.wrong_answers import WrongAnswer


def _reference(net: nn.Module) -> Any:
    return net.state_dict()


def _shallow(net: nn.Module) -> Any:
    return copy.copy(net.state_dict())


def _to_cpu(net: nn.Module) -> Any:
    return {name: values.cpu() for name, values in net.state_dict().items()}


def _detached(net: nn.Module) -> Any:
    return {name: values.detach() for name, values in net.state_dict().items()}


def _only_parameters(net: nn.Module) -> Any:
    return {name: parameter.detach().clone() for name, parameter in net.named_parameters()}


def _buffers_as_they_are(net: nn.Module) -> Any:
    return {**_only_parameters(net), **dict(net.named_buffers())}


def _with_history(net: nn.Module) -> Any:
    tensors = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _whole_net(net: nn.Module) -> Any:
    return copy.deepcopy(net)


WRONG_ANSWERS = (
    WrongAnswer(_reference, "Whose memory", "state_dict() is what one saves, so it seems to be safe."),
    WrongAnswer(_shallow, "Whose memory", "copy.copy makes a new dict with the same tensors in it."),
    WrongAnswer(_to_cpu, "Whose memory", "On a GPU this copies; on the CPU it hands back the tensor itself."),
    WrongAnswer(_detached, "Whose memory", "detach() is taken for a copy of the values."),
    WrongAnswer(_only_parameters, "Only the parameters are there", "Parameters seem to be all that is learned."),
    WrongAnswer(_buffers_as_they_are, "buffers were not", "Only what an optimizer changes seems to need a copy."),
    WrongAnswer(_with_history, "recorded as computed from it", "clone() copies the values, and records it."),
    WrongAnswer(_whole_net, "That is a whole net", "deepcopy works on nets, too."),
)
