"""Wrong answers to ``bytes_on``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.gpu.bytes_on import bytes_on
from tests.exercises.wrong_answers import WrongAnswer


def _tally(tensors: Any, size: Any) -> dict[str, int]:
    """Add up for the wrong answers, which differ in what they go through, and in what they add."""
    total: dict[str, int] = {}
    for tensor in tensors:
        total[str(tensor.device)] = total.get(str(tensor.device), 0) + size(tensor)
    return total


def _numbers(net: nn.Module) -> Any:
    return _tally([*net.parameters(), *net.buffers()], lambda tensor: tensor.numel())


def _four_bytes(net: nn.Module) -> Any:
    return _tally([*net.parameters(), *net.buffers()], lambda tensor: 4 * tensor.numel())


def _one_device(net: nn.Module) -> Any:
    return {str(next(net.parameters()).device): sum(bytes_on(net).values())}


def _devices_as_keys(net: nn.Module) -> Any:
    return {torch.device(device): size for device, size in bytes_on(net).items()}


def _overwritten(net: nn.Module) -> Any:
    return {str(tensor.device): tensor.nbytes for tensor in [*net.parameters(), *net.buffers()]}


def _only_weights(net: nn.Module) -> Any:
    return _tally([p for name, p in net.named_parameters() if name.endswith("weight")], lambda tensor: tensor.nbytes)


def _only_parameters(net: nn.Module) -> Any:
    return _tally(net.parameters(), lambda tensor: tensor.nbytes)


def _saved_once(net: nn.Module) -> Any:
    return _tally({tensor.data_ptr(): tensor for tensor in net.state_dict().values()}.values(), lambda t: t.nbytes)


def _saved(net: nn.Module) -> Any:
    return _tally(net.state_dict().values(), lambda tensor: tensor.nbytes)


def _by_name(net: nn.Module) -> Any:
    named = [*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False)]
    return _tally([tensor for _, tensor in named], lambda tensor: tensor.nbytes)


def _by_module(net: nn.Module) -> Any:
    own = [t for m in net.modules() for t in (*m.parameters(recurse=False), *m.buffers(recurse=False))]
    return _tally(own, lambda tensor: tensor.nbytes)


WRONG_ANSWERS = (
    WrongAnswer(_numbers, "These are numbers of elements", "numel() is what one counts parameters with."),
    WrongAnswer(_four_bytes, "Each element counts as four bytes", "float32 is the dtype that one meets."),
    WrongAnswer(_one_device, "All bytes are booked on one device", "A net is mostly in one place."),
    WrongAnswer(_devices_as_keys, "The keys are devices", "A device and its name are printed much alike."),
    WrongAnswer(_overwritten, "What does a parameter know", "A comprehension keeps the last value of each key."),
    WrongAnswer(_only_weights, "the biases are not", "The weights are the larger part."),
    WrongAnswer(_only_parameters, "Only the parameters are counted", "Only parameters seem to be learned."),
    WrongAnswer(_saved_once, "A buffer with persistent=False is missing", "state_dict() seems to hold it all."),
    WrongAnswer(
        _saved, "A buffer with persistent=False is missing", "state_dict() has parameters and buffers in one dict."
    ),
    WrongAnswer(_by_name, "this counts it in each place", "Every name seems to be a tensor of its own."),
    WrongAnswer(_by_module, "may have one weight", "Each module is met once, so each tensor seems to be, too."),
)
