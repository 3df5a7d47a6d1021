"""Wrong answers to ``dead_units``."""

import torch
from torch import nn

from d2lcompute.exercises.lessons.visualization.dead_units import Batches, _dead
from tests.exercises.wrong_answers import WrongAnswer

Counts = dict[str, int]


def _record(net: nn.Module, batches: Batches, *, remove: bool = True, children: bool = False) -> dict[str, Batches]:
    """Keep what each ReLU gave, batch by batch."""
    kept: dict[str, Batches] = {}
    modules = net.named_children() if children else net.named_modules()
    relus = {name: module for name, module in modules if isinstance(module, nn.ReLU)}
    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: kept.setdefault(name, []).append(output))
        for name, module in relus.items()
    ]
    for X in batches:
        net(X)
    for handle in handles if remove else ():
        handle.remove()
    return kept


def _counts(kept: dict[str, Batches]) -> Counts:
    return {name: _dead(torch.cat(outputs) > 0) for name, outputs in kept.items()}


def _last_batch(net: nn.Module, batches: Batches) -> Counts:
    return {name: _dead(outputs[-1] > 0) for name, outputs in _record(net, batches).items()}


def _summed(net: nn.Module, batches: Batches) -> Counts:
    return {name: sum(_dead(each > 0) for each in outputs) for name, outputs in _record(net, batches).items()}


def _zeros(net: nn.Module, batches: Batches) -> Counts:
    return {name: int((torch.cat(outputs) == 0).sum()) for name, outputs in _record(net, batches).items()}


def _for_one(net: nn.Module, batches: Batches) -> Counts:
    kept = _record(net, batches)
    return {name: int((torch.cat(outputs) == 0).any(dim=0).sum()) for name, outputs in kept.items()}


def _alive(net: nn.Module, batches: Batches) -> Counts:
    kept = _record(net, batches)
    return {name: int((torch.cat(outputs) > 0).any(dim=0).sum()) for name, outputs in kept.items()}


def _late_name(net: nn.Module, batches: Batches) -> Counts:
    counts = _counts(_record(net, batches))
    return dict([list(counts.items())[-1]])


def _children_only(net: nn.Module, batches: Batches) -> Counts:
    return _counts(_record(net, batches, children=True))


def _hooks_stay(net: nn.Module, batches: Batches) -> Counts:
    return _counts(_record(net, batches, remove=False))


WRONG_ANSWERS = (
    WrongAnswer(_last_batch, "Only the last batch is counted", "A hook that assigns overwrites what it noted."),
    WrongAnswer(_summed, "a unit that fires in one of them is alive", "Counts of batches are usually added up."),
    WrongAnswer(_zeros, "These are zeros, not units", "The share of zeros is easier to compute."),
    WrongAnswer(_for_one, "0 for one example at least", "any and all are mixed up when the question is negated."),
    WrongAnswer(_alive, "These are units that fire", "What the hook notes is the opposite of what is asked."),
    WrongAnswer(_late_name, "Only one ReLU is counted", "A lambda in a loop uses the loop's last name."),
    WrongAnswer(_children_only, "modules of every depth", "named_children() is enough for a flat net."),
    WrongAnswer(_hooks_stay, "They run in every later call", "Nothing fails when a hook stays."),
)
