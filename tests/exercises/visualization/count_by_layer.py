"""Wrong answers to ``count_by_layer``."""

from torch import nn

from tests.exercises.wrong_answers import WrongAnswer

Counts = dict[str, int]


def _walk(net: nn.Module, *, duplicates: bool = False, recurse: bool = False, leaves: bool = False) -> Counts:
    """Count parameters not met before in the modules, or in some of them."""
    counts: Counts = {}
    met: set[nn.Parameter] = set()
    for path, module in net.named_modules(remove_duplicate=not duplicates):
        own = list(module.parameters(recurse=recurse))
        if own and not (leaves and list(module.children())):
            counts[path] = sum(parameter.numel() for parameter in own if recurse or parameter not in met)
            met.update(own)
    return counts


def _recursive(net: nn.Module) -> Counts:
    return _walk(net, recurse=True)


def _every_module(net: nn.Module) -> Counts:
    return {path: sum(p.numel() for p in module.parameters()) for path, module in net.named_modules()}


def _leaves_only(net: nn.Module) -> Counts:
    return _walk(net, leaves=True)


def _with_empty_ones(net: nn.Module) -> Counts:
    counts = _walk(net)
    return {path: counts.get(path, 0) for path, _ in net.named_modules()}


def _layer_by_layer(net: nn.Module) -> Counts:
    return {
        path: sum(parameter.numel() for parameter in module.parameters(recurse=False))
        for path, module in net.named_modules()
        if list(module.parameters(recurse=False))
    }


def _without_zeros(net: nn.Module) -> Counts:
    counts: Counts = {}
    for name, parameter in net.named_parameters():
        path = name.rpartition(".")[0]
        counts[path] = counts.get(path, 0) + parameter.numel()
    return counts


def _every_place(net: nn.Module) -> Counts:
    return _walk(net, duplicates=True)


WRONG_ANSWERS = (
    WrongAnswer(_recursive, "recurse=False leaves them out", "parameters() of a block is what one usually wants."),
    WrongAnswer(_every_module, "each number is there twice", "A loop over named_modules() meets every level."),
    WrongAnswer(_leaves_only, "The block holds a parameter itself", "Parameters seem to live in layers only."),
    WrongAnswer(_with_empty_ones, "leave them out", "A table has a row for each module."),
    WrongAnswer(_layer_by_layer, "there is one table", "torchinfo adds up layer by layer, too."),
    WrongAnswer(
        _without_zeros, "it appears, with 0", "named_parameters() names a tied weight once, under its first path."
    ),
    WrongAnswer(_every_place, "One object in two places", "remove_duplicate=False is known from listing tied names."),
)
