"""Wrong answers to ``record_outputs``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.dynamic_graphs.record_outputs import Outputs, record_outputs
from tests.exercises.wrong_answers import WrongAnswer


def _record(
    net: Any, X: torch.Tensor, keep: Callable[[Any, Any], Any], *, every: bool = False, remove: bool = True
) -> Outputs:
    """Record with hooks what ``keep`` makes of inputs and output; the wrong answers below differ in that."""
    outputs: Outputs = {}
    handles = []

    def hook_for(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: outputs.update({name: keep(inputs, output)})

    for name, module in net.named_modules():
        if every or not list(module.children()):
            handles.append(module.register_forward_hook(hook_for(name)))
    net(X)
    for handle in handles[: None if remove else 0]:
        handle.remove()
    return outputs


def _blocks_too(net: nn.Module, X: torch.Tensor) -> Any:
    return _record(net, X, lambda _, output: output.detach().clone(), every=True)


def _inputs(net: nn.Module, X: torch.Tensor) -> Any:
    return _record(net, X, lambda inputs, _: inputs[0].detach().clone())


def _no_copy(net: nn.Module, X: torch.Tensor) -> Any:
    return _record(net, X, lambda _, output: output.detach())


def _with_graph(net: nn.Module, X: torch.Tensor) -> Any:
    return _record(net, X, lambda _, output: output.clone())


def _one_name(net: nn.Module, X: torch.Tensor) -> Any:
    outputs: Outputs = {}
    handles = []
    for name, module in net.named_modules():
        if not list(module.children()):

            def hook(module: Any, inputs: Any, output: torch.Tensor) -> None:
                outputs[name] = output.detach().clone()  # noqa: B023  (that is the mistake)

            handles.append(module.register_forward_hook(hook))
    net(X)
    for handle in handles:
        handle.remove()
    return outputs


def _stays(net: nn.Module, X: torch.Tensor) -> Any:
    return _record(net, X, lambda _, output: output.detach().clone(), remove=False)


def _order_of_names(net: nn.Module, X: torch.Tensor) -> Any:
    outputs = record_outputs(net, X)
    return {name: outputs[name] for name, _ in net.named_modules() if name in outputs}


WRONG_ANSWERS = (
    WrongAnswer(_blocks_too, "leave out those that have parts", "named_modules() lists blocks and layers alike."),
    WrongAnswer(_inputs, "the inputs of the layers", "The hook gets both, the input first."),
    WrongAnswer(_no_copy, "keep a copy", "detach() is taken for a copy of the values."),
    WrongAnswer(_with_graph, "still knows its graph", "clone() copies the values, and is recorded."),
    WrongAnswer(_one_name, "under one name", "A function looks a loop's variable up when it runs."),
    WrongAnswer(_stays, "The hooks are still there", "The result is right, and nothing shows that they stay."),
    WrongAnswer(_order_of_names, "when does each hook run", "The dict is filled in the order of the names."),
)
