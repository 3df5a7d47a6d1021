"""What becomes of a lazy layer's parameters in an optimizer that was there first."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_dict, tr

__all__ = ["EXERCISE"]

STUB = """\
optimizer_before_dry_run = {
    "same_objects": ...,  # True or False: weight and bias are the objects they were before the dry run
    "optimizer_sees_them": ...,  # True or False: are they what optimizer.param_groups[0]["params"] holds
    "step_changes_weight": ...,  # True or False: after backward(), does optimizer.step() move layer.weight
    "class_name_after": ...,  # type(layer).__name__ after the dry run, in quotes
}
"""


@dataclass(frozen=True)
class _Observed:
    """What a live layer shows."""

    same_objects: bool
    optimizer_sees_them: bool
    step_changes_weight: bool
    class_name_after: str


def compares_the_objects(answer: dict[str, Any], trial: Trial) -> None:
    """The entry same_objects says whether the dry run keeps the parameters' objects."""
    remark = tr("Keep list(layer.parameters()) before the dry run, and compare with 'is' afterwards.")
    _require_observed(answer, "same_objects", remark, trial)


def looks_into_the_optimizer(answer: dict[str, Any], trial: Trial) -> None:
    """The entry optimizer_sees_them says whether the optimizer holds the layer's parameters after the dry run."""
    remark = tr("Look into optimizer.param_groups[0]['params'], and ask with 'is' whether layer.weight is among them.")
    _require_observed(answer, "optimizer_sees_them", remark, trial)


def takes_a_step(answer: dict[str, Any], trial: Trial) -> None:
    """The entry step_changes_weight says whether a step of the optimizer moves the weight."""
    remark = tr("Clone the weight, call backward() and step(), and compare. A weight that is not cloned moves along.")
    _require_observed(answer, "step_changes_weight", remark, trial)


def names_the_class(answer: dict[str, Any], trial: Trial) -> None:
    """The entry class_name_after names the layer's class after the dry run."""
    remark = tr("It is the class of the layer, not of its weight, and it is asked for after data has passed.")
    _require_observed(answer, "class_name_after", remark, trial)


def _observe() -> _Observed:
    """Make the optimizer first, then run the layer, then take a step."""
    layer, X = nn.LazyLinear(3), torch.ones(2, 4)
    before = list(layer.parameters())
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(X)
    held = {id(parameter) for parameter in optimizer.param_groups[0]["params"]}
    weight = layer.weight.detach().clone()
    layer(X).sum().backward()
    optimizer.step()
    return _Observed(
        same_objects=all(one is other for one, other in zip(before, layer.parameters(), strict=True)),
        optimizer_sees_them=all(id(parameter) in held for parameter in layer.parameters()),
        step_changes_weight=not torch.equal(weight, layer.weight),
        class_name_after=type(layer).__name__,
    )


def _require_observed(answer: dict[str, Any], key: str, remark: str, trial: Trial) -> None:
    """Compare one entry with what a live layer shows; the report does not say what that is."""
    trial.plan(tr("layer = nn.LazyLinear(3), an SGD made before its dry run on torch.ones(2, 4)"), nudge=remark)
    same = answer[key] == getattr(_observe(), key)
    trial.require(same, expected=tr("{key!r} as the layer shows it", key=key), got=f"{key!r}: {answer[key]!r}")


SOLUTION = {
    "same_objects": True,
    "optimizer_sees_them": True,
    "step_changes_weight": True,
    "class_name_after": "Linear",
}

EXERCISE = Exercise(
    name="optimizer_before_dry_run",
    notebook="04_lazy_initialization",
    section="An optimizer that was there first",
    book=None,
    difficulty=2,
    minutes=10,
    task="Build layer = nn.LazyLinear(3), then torch.optim.SGD(layer.parameters(), lr=0.1), and only then run the "
    "layer on torch.ones(2, 4) and train it for one step; note what you observe.",
    stub=STUB,
    form=a_dict(same_objects=bool, optimizer_sees_them=bool, step_changes_weight=bool, class_name_after=str),
    requirements=(compares_the_objects, looks_into_the_optimizer, takes_a_step, names_the_class),
    rounds=1,
    hints=(
        "Does the dry run put new parameters in the old ones' place, or does it fill the old ones?",
        "Keep the two placeholders in a list before the dry run; afterwards compare with 'is', not with '=='.",
        "A placeholder is given its data and becomes a Parameter, and stays the object that it was: whoever holds it "
        "holds the parameter.",
    ),
    solution=SOLUTION,
    why="The dry run gives the placeholders their data and changes their class, and the layer's class as well; the "
    "objects stay, so the optimizer's references are good and its step moves the weight.",
)
