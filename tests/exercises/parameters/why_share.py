"""Wrong answers to ``why_share``."""

from torch import nn

from d2lcompute.exercises.lessons.parameters.why_share import why_share
from tests.exercises.wrong_answers import WrongAnswer


def _same_twice(net: nn.Module) -> tuple[int, int]:
    count = sum(parameter.numel() for parameter in net.parameters())
    return count, count


def _state_dict(net: nn.Module) -> tuple[int, int]:
    return why_share(net)[0], sum(tensor.numel() for tensor in net.state_dict().values())


def _swapped(net: nn.Module) -> tuple[int, int]:
    return why_share(net)[::-1]


def _all_modules(net: nn.Module) -> tuple[int, int]:
    return sum(parameter.numel() for module in net.modules() for parameter in module.parameters()), why_share(net)[1]


def _tensors(net: nn.Module) -> tuple[int, int]:
    return len(list(net.parameters())), len(list(net.named_parameters(remove_duplicate=False)))


def _trainable(net: nn.Module) -> tuple[int, int]:
    parameters = [parameter for _, parameter in net.named_parameters(remove_duplicate=False) if parameter.requires_grad]
    return sum(parameter.numel() for parameter in set(parameters)), sum(parameter.numel() for parameter in parameters)


WRONG_ANSWERS = (
    WrongAnswer(_same_twice, "here each place counts", "parameters() drops duplicates without a word."),
    WrongAnswer(_state_dict, "Buffers are counted too", "state_dict() does list a tied weight under each name."),
    WrongAnswer(_swapped, "is there only once", "With sharing there are fewer, not more."),
    WrongAnswer(_all_modules, "counted more than once", "A loop over modules() meets each parameter on every level."),
    WrongAnswer(_tensors, "How many numbers", "len() counts tensors."),
    WrongAnswer(_trainable, "Frozen parameters are missing", "Code that counts trainable parameters is copied."),
)
