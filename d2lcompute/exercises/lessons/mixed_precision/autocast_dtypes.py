"""Which dtypes a block's tensors have under autocast."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_dict, tr

__all__ = ["EXERCISE"]

STUB = """\
autocast_dtypes = {  # each "float32" or "bfloat16", in quotes
    "hidden": ...,
    "added": ...,
    "scores": ...,
    "loss": ...,
    "gradient": ...,  # of block.linear.weight, after loss.backward() outside of autocast
}
"""


class Shortcut(nn.Module):
    """A linear layer with a shortcut, and a loss; returns everything that it computes on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, X: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute, one after the other, what the keys say."""
        hidden = torch.relu(self.linear(X))
        added = X + hidden
        scores = added @ added.T
        loss = nn.functional.mse_loss(scores, torch.zeros_like(scores))
        return {"hidden": hidden, "added": added, "scores": scores, "loss": loss}


def knows_the_layer(answer: dict[str, Any], trial: Trial) -> None:
    """The entry hidden says what a linear layer and a ReLU give."""
    _require_observed(
        answer, "hidden", tr("On which list is a linear layer, and what does a ReLU do with its input?"), trial
    )


def knows_the_sum(answer: dict[str, Any], trial: Trial) -> None:
    """The entry added says what X and hidden give when they are added."""
    remark = tr("Two dtypes meet in an operation that is on no list: which of them can hold both?")
    _require_observed(answer, "added", remark, trial)


def knows_the_product(answer: dict[str, Any], trial: Trial) -> None:
    """The entry scores says what the matrix product of that sum gives."""
    remark = tr("Does autocast ask what a matrix product is given, or what it is?")
    _require_observed(answer, "scores", remark, trial)


def knows_the_loss(answer: dict[str, Any], trial: Trial) -> None:
    """The entry loss says what the loss of these scores is."""
    _require_observed(answer, "loss", tr("A loss adds up many squares: on which list is it?"), trial)


def knows_the_gradient(answer: dict[str, Any], trial: Trial) -> None:
    """The entry gradient says what arrives at the layer's weight."""
    remark = tr(
        "The layer used a cast copy of its weight. Through what does the gradient pass on its way to the weight?"
    )
    _require_observed(answer, "gradient", remark, trial)


def _observe() -> dict[str, str]:
    """Run the block under autocast and note the dtypes."""
    block = Shortcut()
    with torch.amp.autocast("cpu", dtype=torch.bfloat16):
        made = block(torch.rand(3, 4))
    (gradient,) = torch.autograd.grad(made["loss"], (block.linear.weight,))
    return {key: str(t.dtype).removeprefix("torch.") for key, t in (made | {"gradient": gradient}).items()}


def _require_observed(answer: dict[str, Any], key: str, remark: str, trial: Trial) -> None:
    """Compare one entry with what a live block shows; the report does not say what that is."""
    trial.plan(tr("Shortcut() on torch.rand(3, 4) under torch.amp.autocast('cpu', dtype=torch.bfloat16)"), nudge=remark)
    observed = _observe()[key]
    trial.require(
        answer[key].removeprefix("torch.") == observed,
        expected=tr("{key!r} as the block shows it", key=key),
        got=f"{key!r}: {answer[key]!r}",
    )


SOLUTION = {
    "hidden": "bfloat16",
    "added": "float32",
    "scores": "bfloat16",
    "loss": "float32",
    "gradient": "float32",
}

EXERCISE = Exercise(
    name="autocast_dtypes",
    notebook="11_mixed_precision",
    section="A net under autocast",
    book=None,
    difficulty=2,
    minutes=5,
    task="Predict the dtypes that Shortcut() gives on a float32 batch under autocast to bfloat16 on a CPU; run it only "
    "if the check disagrees.",
    stub=STUB,
    given=(Shortcut,),
    form=a_dict(hidden=str, added=str, scores=str, loss=str, gradient=str),
    requirements=(knows_the_layer, knows_the_sum, knows_the_product, knows_the_loss, knows_the_gradient),
    rounds=1,
    hints=(
        "Which of the five operations are on a list of autocast, and which follow what they are given?",
        "Products and layers go down to 16 bits, losses up to 32; a sum of two dtypes takes the wider one.",
        "The product goes down even though its input is float32 again; and the weight itself is float32, so what is "
        "added up in its grad must be float32 too.",
    ),
    solution=SOLUTION,
    why="Autocast looks at the operation: layers and products run in bfloat16 whatever they are given, losses in "
    "float32, and a sum follows its inputs, the wider one first; weights stay float32, and so do their gradients.",
)
