"""What every layer of a net gives, seen from outside."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def record_outputs(net, X):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, torch.Tensor], Any]
Outputs = dict[str, torch.Tensor]


def record_outputs(net: nn.Module, X: torch.Tensor) -> dict[str, torch.Tensor]:
    """Hang a hook on each layer, call the net, and take the hooks away."""
    outputs = {}

    def hook_for(name: str) -> "Callable[..., None]":
        def hook(module: nn.Module, inputs: "Any", output: torch.Tensor) -> None:  # noqa: ARG001
            outputs[name] = output.detach().clone()

        return hook

    layers = [(name, module) for name, module in net.named_modules() if not list(module.children())]
    handles = [layer.register_forward_hook(hook_for(name)) for name, layer in layers]
    net(X)
    for handle in handles:
        handle.remove()
    return outputs


class _Net(nn.Module):
    """A net whose layers run in another order than they were made, one of which works in place."""

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.out = nn.Linear(hidden, out)
        self.body = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, hidden))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Run the body, then out."""
        return self.out(self.body(X))


def holds_every_output(answer: Answer, trial: Trial) -> None:
    """The result maps the full name of each layer without parts to what it gave, in the order in which they ran."""
    net, X = _task(trial, nudge=tr("What is the name of a layer inside a block, and when does each hook run?"))
    with torch.no_grad():
        first = net.body[0](X)
        hidden = first.relu()
        last = net.body[2](hidden)
        expected = {"body.0": first, "body.1": hidden, "body.2": last, "out": net.out(last)}
    inputs = dict(zip(expected, (X, first, hidden, last), strict=True))

    came = _outputs(answer, net, X, trial)

    with torch.no_grad():
        blocks = {**expected, "body": last, "": expected["out"]}
    mistakes = {
        tr("body.0 shows what it gave after the ReLU had worked on it in place: keep a copy."): {
            **expected,
            "body.0": hidden,
        },
        tr("These are the inputs of the layers, not their outputs."): inputs,
        tr("These are the inputs of the layers, not their outputs, and a later layer has worked on one in place."): {
            **inputs,
            "body.1": hidden,
        },
    }
    if set(came) > set(expected) and set(came) <= set(blocks):
        trial.fail(
            expected=tr("the layers {expected}", expected=", ".join(expected)),
            got=tr("also {came}", came=", ".join(repr(name) for name in came if name not in expected)),
            remark=tr("Blocks and the net itself are modules too: leave out those that have parts, children()."),
        )
    if len(came) == 1:
        trial.nudge = tr(
            "All hooks write under one name: they look the name up when they run, after the loop has ended."
        )
    trial.same(came, expected, mistakes=mistakes)


def takes_its_hooks_away(answer: Answer, trial: Trial) -> None:
    """Afterwards no hook is left on the net."""
    net, X = _task(trial, nudge=tr("What does register_forward_hook return, and what is it good for?"))
    came = _outputs(answer, net, X, trial)
    kept = [weakref.ref(output) for output in came.values()]

    del came
    if any(output() is not None for output in kept):
        gc.collect()  # a loop of references is no hook

    trial.require(
        all(output() is None for output in kept),
        expected=tr("nobody holds the outputs once the result is gone"),
        got=tr("the net still holds them"),
        remark=tr("The hooks are still there: they run in every later call, and hold what they have recorded."),
    )


def keeps_no_graph(answer: Answer, trial: Trial) -> None:
    """The outputs are values without history."""
    net, X = _task(trial, nudge=tr("What does detach() leave out?"))

    came = _outputs(answer, net, X, trial)

    recorded = [name for name, output in came.items() if output.requires_grad]
    trial.require(
        not recorded,
        expected=tr("outputs that require no gradient"),
        got=tr("with a gradient: {recorded}", recorded=", ".join(recorded)),
        remark=tr("Each output still knows its graph, and keeps alive all that the graph has kept."),
    )


def _task(trial: Trial, *, nudge: str) -> tuple[_Net, torch.Tensor]:
    """Draw a net and an input."""
    width, hidden, out, rows = trial.sizes(4, 5, 12)
    trial.plan(
        tr(
            "a net with out = Linear({hidden}, {out}) and body = Sequential(Linear({width}, "
            "{hidden}), ReLU(inplace=True), Linear({hidden}, {hidden})), which runs body, then out",
            hidden=hidden,
            out=out,
            width=width,
        ),
        nudge=nudge,
    )
    return _Net(width, hidden, out), trial.tensor(rows, width)


def _outputs(answer: Answer, net: nn.Module, X: torch.Tensor, trial: Trial) -> Outputs:
    """Call the answer, and see that it gives a dict of tensors."""
    came = trial.call(answer, net, X)
    trial.require(
        isinstance(came, dict) and all(isinstance(output, torch.Tensor) for output in came.values()),
        expected=tr("a dict from names to tensors"),
        got=came,
        remark=tr("It gave None: is a return missing?") if came is None else tr("Give back names and outputs."),
    )
    return came


EXERCISE = Exercise(
    name="record_outputs",
    notebook="09_dynamic_graphs",
    section="Hooks",
    book=None,
    difficulty=3,
    minutes=20,
    task="Write a function that calls the net once and returns, by full name and in the order in which they ran, what "
    "each layer without parts gave: as values, also if a later layer works in place, and with no hook left on the net.",
    stub=STUB,
    form=a_function,
    requirements=(holds_every_output, takes_its_hooks_away, keeps_no_graph),
    hints=(
        "How does a hook that is called with module, inputs and output know the name of its layer?",
        "For each name and module of named_modules() without children(), register a hook made by a function that takes "
        "the name; keep the handles, call the net, remove them.",
        "def hook_for(name): def hook(module, inputs, output): outputs[name] = output.detach().clone(); return hook. "
        "Afterwards handle.remove() for each handle.",
    ),
    solution=record_outputs,
    why="A function that makes the hook gives each its own name; detach() drops the graph, clone() keeps the values "
    "from a ReLU that writes over them; and a hook stays until its handle removes it.",
)
