"""What a net says about new data, without a trace in the net."""

import copy
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def predict_classes(net, loader):
    raise NotImplementedError
"""

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
Answer = Callable[[nn.Module, Batches], Any]


def predict_classes(net: nn.Module, loader: "Iterable[tuple[torch.Tensor, torch.Tensor]]") -> torch.Tensor:
    """Switch all modules to evaluation, predict without recording, and switch each module back."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        classes = torch.cat([net(X).argmax(1) for X, _ in loader])
    for module, training in modes.items():
        module.training = training
    return classes


def predicts_as_in_use(answer: Answer, trial: Trial) -> None:
    """The result is one tensor of the classes that the net in evaluation mode gives to the examples, in their order."""
    net, loader, X = _task(trial, nudge=tr("Which layers compute differently in training mode, and who tells them?"))
    with torch.no_grad():
        in_use = copy.deepcopy(net).eval()
        scores, last = in_use(X), in_use(list(loader)[-1][0])

    came = trial.call(answer, net, loader)

    mistakes = {
        tr("These are the scores; the class is the place of the largest in each row."): scores,
        tr("Only the last batch has arrived in the result."): last.argmax(1),
        tr("That is the largest score of each row, not its place."): scores.max(1).values,
        tr("argmax went down the columns: within a batch each row is an example."): torch.cat(
            [in_use(batch).argmax(0) for batch, _ in loader]
        ),
    }
    if isinstance(came, list | tuple):
        trial.fail(
            expected=tr("one tensor"),
            got=tr("a list of them"),
            remark=tr("Join the classes of all batches into one tensor."),
        )
    trial.same(came, scores.argmax(1), mistakes=mistakes)


def leaves_the_modes(answer: Answer, trial: Trial) -> None:
    """Afterwards every module is in the mode in which it was, also one that was set apart by hand."""
    net, loader, _ = _task(trial, nudge=tr("Each module has a flag of its own, module.training."))
    before = _modes(net)
    trained, switched = dict.fromkeys(before, True), dict.fromkeys(before, False)

    trial.call(answer, net, loader)

    came = _modes(net)
    remark = ""
    if came == switched:
        remark = tr("The net stays in evaluation mode: whoever goes on training it trains without dropout.")
    elif came == trained:
        remark = tr("train() switches every part of the net: one that was set to eval() by hand has lost its mode.")
    changed = [name or tr("the net itself") for name in before if came[name] != before[name]]
    trial.require(
        not changed,
        expected=tr("every module in its mode"),
        got=tr("changed: {changed}", changed=", ".join(changed)),
        remark=remark,
    )


def records_nothing(answer: Answer, trial: Trial) -> None:
    """While the net computes, autograd keeps no record."""
    net, loader, _ = _task(trial, nudge=tr("eval() is one of two switches."))
    recorded: list[bool] = []
    net.register_forward_hook(lambda module, args, output: recorded.append(output.requires_grad))  # noqa: ARG005

    trial.call(answer, net, loader)

    trial.require(
        not any(recorded),
        expected=tr("outputs of the net that require no gradient"),
        got=tr("{sum} of {recorded_count} outputs require one", sum=sum(recorded), recorded_count=len(recorded)),
        remark=tr(
            "The record is made, and costs memory, even if it is thrown away afterwards: which "
            "switch turns recording off?"
        ),
    )


def _task(trial: Trial, *, nudge: str) -> tuple[nn.Module, Batches, torch.Tensor]:
    """Draw a net that computes differently in training, with one part in evaluation mode, and a loader."""
    width, classes = trial.sizes(2, 5, 9)
    full, rest = trial.size(8, 12), trial.size(3, 7)
    net = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, 16), nn.BatchNorm1d(16), nn.Dropout(0.5))
    net.append(nn.Linear(16, classes))
    for norm in (net[0], net[2]):
        norm.running_mean.normal_(0.0, 2.0)  # type: ignore[operator]
    net[0].eval()
    X = trial.tensor(2 * full + rest, width)
    loader = DataLoader(TensorDataset(X, torch.zeros(len(X))), batch_size=full, generator=torch.Generator())
    trial.plan(
        tr(
            "a net with dropout and batch normalization in training mode, but net[0] in evaluation "
            "mode, on batches of {full}, {full} and {rest} examples",
            full=full,
            rest=rest,
        ),
        nudge=nudge,
    )
    return net, loader, X


def _modes(net: nn.Module) -> dict[str, bool]:
    """Return the flag of each module."""
    return {name: module.training for name, module in net.named_modules()}


EXERCISE = Exercise(
    name="predict_classes",
    notebook="08_training",
    section="`train()` and `eval()`",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns the predicted class of every example of a loader of pairs (X, y), as one "
    "tensor. It uses evaluation mode, records no graph, and leaves every module in the mode in which it was.",
    stub=STUB,
    form=a_function,
    requirements=(predicts_as_in_use, leaves_the_modes, records_nothing),
    hints=(
        "Which two switches does an evaluation need, and which of them has to be turned back afterwards?",
        "Note the flag training of each module in net.modules(), call eval(), predict under no_grad(), set the flags.",
        "modes = {module: module.training for module in net.modules()}; afterwards module.training = modes[module], "
        "for each; in between torch.cat of net(X).argmax(1) for the batches.",
    ),
    solution=predict_classes,
    why="eval() makes dropout and batch normalization compute as in evaluation mode, no_grad() keeps autograd "
    "from recording, and "
    "since train() would switch all parts alike, each flag is put back by itself.",
)
