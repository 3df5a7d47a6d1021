"""Wrong answers to ``unused_parameters``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.visualization.unused_parameters import unused_parameters
from tests.exercises.wrong_answers import WrongAnswer


def _walk(output: torch.Tensor, choose: Callable[[Any], Any] = lambda sources: sources) -> set[Any]:
    """Return the leaves that a walk finds which follows only some of the sources."""
    reached, waiting = set(), [output.grad_fn]
    for node in waiting:
        reached.add(getattr(node, "variable", None))
        waiting += [source for source, _ in choose(node.next_functions) if source is not None]  # type: ignore[union-attr]
    return reached


def _one_source(output: torch.Tensor, net: nn.Module) -> list[str]:
    reached = _walk(output, lambda sources: sources[-1:])
    return [name for name, parameter in net.named_parameters() if parameter not in reached]


def _sorted(output: torch.Tensor, net: nn.Module) -> list[str]:
    return sorted(unused_parameters(output, net))


def _module_names(output: torch.Tensor, net: nn.Module) -> list[str]:
    return list(dict.fromkeys(name.rpartition(".")[0] for name in unused_parameters(output, net)))


def _reached(output: torch.Tensor, net: nn.Module) -> list[str]:
    unused = unused_parameters(output, net)
    return [name for name, _ in net.named_parameters() if name not in unused]


def _frozen_only(output: torch.Tensor, net: nn.Module) -> list[str]:
    return [name for name, parameter in net.named_parameters() if not parameter.requires_grad]


def _trainable_only(output: torch.Tensor, net: nn.Module) -> list[str]:
    trainable = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    return [name for name in unused_parameters(output, net) if name in trainable]


def _backward(output: torch.Tensor, net: nn.Module) -> list[str]:
    output.sum().backward(retain_graph=True)
    return [name for name, parameter in net.named_parameters() if parameter.grad is None]


def _grad_once(output: torch.Tensor, net: nn.Module) -> list[str]:
    trainable = {name: parameter for name, parameter in net.named_parameters() if parameter.requires_grad}
    grads = torch.autograd.grad(output.sum(), tuple(trainable.values()), allow_unused=True)
    reached = {name for name, grad in zip(trainable, grads, strict=True) if grad is not None}
    return [name for name, _ in net.named_parameters() if name not in reached]


WRONG_ANSWERS = (
    WrongAnswer(_one_source, "misses the others", "A chain of operations has one source each."),
    WrongAnswer(_sorted, "their order is not", "Differences of sets have no order, and are sorted for the eye."),
    WrongAnswer(_module_names, "names of modules", "The graph is thought of in layers."),
    WrongAnswer(_reached, "does reach", "The walk collects what is reached, and that is returned."),
    WrongAnswer(_frozen_only, "lie at the ends of all ways", "requires_grad looks like the question's answer."),
    WrongAnswer(_trainable_only, "is no leaf of the graph", "Frozen parameters are left out as uninteresting."),
    WrongAnswer(_backward, "backward() writes gradients", "After backward() one sees at once who got a gradient."),
    WrongAnswer(_grad_once, "The graph was used up", "autograd.grad writes no .grad, so it seems harmless."),
)
