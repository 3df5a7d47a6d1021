"""New values for a parameter, so that everybody hears of it."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import N_, Exercise, Trial, a_function, plain_text, tr

__all__ = ["EXERCISE"]

STUB = """\
def write_values(net, name, values):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, str, torch.Tensor], Any]


def write_values(net: nn.Module, name: str, values: torch.Tensor) -> None:
    """Write values into the parameter of this name."""
    parameter = net.get_parameter(name)
    if values.shape != parameter.shape:
        raise ValueError(f"{name} has shape {tuple(parameter.shape)}, the values have {tuple(values.shape)}")
    with torch.no_grad():
        parameter.copy_(values)


def writes_the_values(answer: Answer, trial: Trial) -> None:
    """Afterwards the named parameter has the values, and all others have theirs."""
    net, name, values = _task(trial, nudge=tr(_PLAIN))
    expected = {each: parameter.detach().clone() for each, parameter in net.named_parameters()}
    before, expected[name] = expected[name], values.clone()

    trial.call(answer, net, name, values)

    for each, parameter in net.named_parameters():
        mistakes = {
            tr("The values were added to those that were there."): before + values,
            tr("It was not changed."): before,
        }
        if each != name:
            mistakes = {
                tr("The name is {name!r}, the whole of it: other names end in the same way.", name=name): values
            }
        trial.same(parameter.detach(), expected[each], what=each, mistakes=mistakes)


def keeps_the_parameter(answer: Answer, trial: Trial) -> None:
    """The parameter is the object that it was, and still trainable: an optimizer made earlier goes on training it."""
    net, name, values = _task(
        trial, what=tr(", looked at as an object"), nudge=tr("Is it still there, and still trainable?")
    )
    parameter = net.get_parameter(name)

    trial.call(answer, net, name, values)

    remark = tr("Under this name there is a new parameter now: an optimizer made earlier trains the old one.")
    trial.require(
        net.get_parameter(name) is parameter,
        expected=tr("the parameter that was there"),
        got=tr("another"),
        remark=remark,
    )
    remark = tr("The parameter was frozen, and stayed so: torch.no_grad() ends by itself.")
    trial.same(parameter.requires_grad, True, what="requires_grad", mistakes={remark: False})


def refuses_other_shapes(answer: Answer, trial: Trial) -> None:
    """Values of another shape raise a ValueError and change nothing, also where they would broadcast."""
    net, name, values = _task(trial, nudge=tr("Compare the shapes before you write."))
    parameter = net.get_parameter(name)
    before = parameter.detach().clone()
    for wrong in (values[0], values[:1], torch.stack((values, values)), values.reshape(-1)):
        shape = tuple(wrong.shape)
        trial.plan(
            tr(
                "values of shape {shape} for {name}, which has shape {shape2}",
                shape=shape,
                name=name,
                shape2=tuple(before.shape),
            ),
            nudge=trial.nudge,
        )

        came = _raised(answer, net, name, wrong, trial)

        trial.require(
            came.startswith("ValueError"),
            expected="ValueError",
            got=came or tr("no exception"),
            remark=tr(_ANOTHER_ERROR) if came else _about_silence(parameter, values, wrong),
        )
        trial.require(
            torch.equal(parameter, before),
            expected=tr("a parameter that has not changed"),
            got=tr("a parameter of shape {shape} with other values", shape=tuple(parameter.shape)),
            remark=tr("The exception comes too late: the values are written already."),
        )


def lets_autograd_notice(answer: Answer, trial: Trial) -> None:
    """Autograd notices the change: a backward pass that needs the old values refuses, and gives no wrong gradient."""
    net, name, values = _task(
        trial, nudge=tr("Which way of writing is counted, and which one goes behind autograd's back?")
    )
    loss = net.get_parameter(name).square().sum()
    trial.plan(f"loss = ({name} ** 2).sum(); write_values(net, {name!r}, values); loss.backward()", nudge=trial.nudge)

    trial.call(answer, net, name, values)

    try:
        loss.backward()
    except RuntimeError:
        return
    trial.fail(
        expected=tr("backward() refuses: modified by an inplace operation"),
        got=tr("backward() went through"),
        remark=tr("The change was not counted, as with .data, so backward mixes old and new values in silence."),
    )


_PLAIN = N_(
    "The name leads to the parameter, part by part. Its change is no part of a computation: autograd must be told."
)
_ANOTHER_ERROR = N_("The task asks for a ValueError, so that the caller knows what to catch.")


def _about_silence(parameter: nn.Parameter, values: torch.Tensor, wrong: torch.Tensor) -> str:
    """Return a remark on values that were accepted although they have another shape."""
    if parameter.shape != values.shape:
        return tr("The parameter has another shape now: the layer will fail later, far from here.")
    if wrong.ndim <= values.ndim and wrong.shape[-1] == values.shape[-1]:
        return tr("copy_ broadcasts: values that are too few are repeated, without a word. Compare the shapes first.")
    return ""


def _task(trial: Trial, what: str = "", *, nudge: str) -> tuple[nn.Module, str, torch.Tensor]:
    """Draw a net whose names look alike, one of them, and values for it."""
    width = trial.size(3, 6)
    net = nn.Sequential(
        nn.Sequential(nn.Linear(width, width), nn.Linear(width, width)), nn.ReLU(), nn.Linear(width, width)
    )
    net.insert(1, nn.Linear(width, width))
    name = trial.choice(("0.1.weight", "1.weight"))
    trial.plan(
        tr(
            "write_values(net, {name!r}, values) with values of shape {shape}; net has "
            "Linear({width}, {width}) as 0.0, 0.1, 1 and 3{what}",
            name=name,
            shape=(width, width),
            width=width,
            what=what,
        ),
        nudge=nudge,
    )
    return net, name, trial.tensor(width, width)


def _raised(answer: Answer, net: nn.Module, name: str, values: torch.Tensor, trial: Trial) -> str:
    """Return the ValueError or RuntimeError that the answer raises, as text; empty if it raises none."""
    try:
        trial.call(answer, net, name, values)
    except (ValueError, RuntimeError) as error:
        return plain_text(error)
    return ""


EXERCISE = Exercise(
    name="write_values",
    notebook="02_parameters",
    section="Why not through `.data`?",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that writes values into the named parameter of a net: the parameter stays the same object, "
    "autograd notices the change, and values of another shape raise a ValueError and change nothing.",
    stub=STUB,
    form=a_function,
    requirements=(writes_the_values, keeps_the_parameter, refuses_other_shapes, lets_autograd_notice),
    hints=(
        "Which of the ways to change values that the notebook shows does autograd hear of?",
        "Find the parameter by its path, compare the shapes yourself, then copy in place, outside of any record.",
        "net.get_parameter(name) finds it; after the check, copy_ under torch.no_grad() writes into it.",
    ),
    solution=write_values,
    why="copy_ writes into the memory of the very parameter and is counted, so a backward pass that needs the old "
    "values refuses; no_grad says that the change is no part of a computation; and since copy_ would broadcast, "
    "the shapes are compared first.",
)
