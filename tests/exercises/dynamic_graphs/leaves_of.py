"""Wrong answers to ``leaves_of``."""

from typing import Any

import torch

from d2lcompute.exercises.lessons.dynamic_graphs.leaves_of import leaves_of
from tests.exercises.wrong_answers import WrongAnswer


def _walk(out: torch.Tensor, *, once: bool = True, width: int | None = None) -> list[Any]:
    """Walk the graph back; return the nodes at its ends."""
    found: list[Any] = []
    todo: list[Any] = [out.grad_fn]
    while todo:
        node = todo.pop()
        if node is None or (once and node in found):
            continue
        found.append(node)
        todo += [parent for parent, _ in node.next_functions[:width]]
    return [node for node in found if hasattr(node, "variable")]


def _own(out: torch.Tensor) -> list[torch.Tensor]:
    return [out] if out.grad_fn is None and out.requires_grad else []


def _first_input_alone(out: torch.Tensor) -> Any:
    return _own(out) or [node.variable for node in _walk(out, width=1)]


def _every_path(out: torch.Tensor) -> Any:
    return _own(out) or [node.variable for node in _walk(out, once=False)]


def _nodes(out: torch.Tensor) -> Any:
    return _own(out) or _walk(out)


def _no_operation(out: torch.Tensor) -> Any:
    return [node.variable for node in _walk(out)]


def _no_ends(out: torch.Tensor) -> Any:
    leaves: list[torch.Tensor] = []
    todo: list[Any] = [out.grad_fn]
    while todo:
        node = todo.pop()
        if hasattr(node, "variable") and all(node.variable is not leaf for leaf in leaves):
            leaves.append(node.variable)
        todo += [parent for parent, _ in node.next_functions]
    return leaves


def _no_gradient_needed(out: torch.Tensor) -> Any:
    return [out] if out.grad_fn is None else leaves_of(out)


def _with_the_result(out: torch.Tensor) -> Any:
    return leaves_of(out) if out.grad_fn is None else [out, *leaves_of(out)]


WRONG_ANSWERS = (
    WrongAnswer(_first_input_alone, "several inputs", "next_functions[0] is what one sees first."),
    WrongAnswer(_every_path, "note where you have been", "A walk through a tree needs no such note; this is none."),
    WrongAnswer(_nodes, "attribute variable", "The nodes at the ends are taken for the leaves."),
    WrongAnswer(_no_operation, "came from no operation", "Every example so far had a grad_fn."),
    WrongAnswer(_no_ends, "several inputs", "None stands for an input without gradient, and is easily met too late."),
    WrongAnswer(_no_gradient_needed, "it would be an error", "No grad_fn is taken for the sign of a leaf."),
    WrongAnswer(_with_the_result, "only the ends of the graph", "The walk begins by noting where it begins."),
)
