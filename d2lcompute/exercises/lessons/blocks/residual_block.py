"""A block with a way around it."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class Residual(nn.Module):
    def __init__(self, block):
        super().__init__()

    def forward(self, X):
        raise NotImplementedError
"""


class Residual(nn.Module):
    """Adds to the input what a block makes of it."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return X + block(X)."""
        return X + self.block(X)


def adds_the_input(answer: type[nn.Module], trial: Trial) -> None:
    """The output is X + block(X), and gradients flow back through both."""
    width, dtype = trial.size(), trial.dtype()
    shape = (*trial.sizes(trial.size(1, 2)), width)
    trial.plan(
        tr("Residual(Linear({width}, {width})) on X of shape {shape}, {dtype}", width=width, shape=shape, dtype=dtype),
        nudge=tr("The output has two parts: what the block makes of X, and X itself."),
    )
    block, X = nn.Linear(width, width, dtype=dtype), trial.tensor(*shape, dtype=dtype)
    made = X @ block.weight.T + block.bias

    came = trial.call(answer(block), X)

    mistakes = {
        tr("That is the block alone: X has to find a way around it."): made,
        tr("The block runs once more on the sum: it is to see X alone."): block(X + made),
        tr("The block is added twice, X is not."): 2 * made,
        tr("X is multiplied by what the block gives, not added."): X * made,
    }
    trial.same(came, X + made, mistakes=mistakes)
    X.requires_grad_()
    trial.call(answer(block), X).sum().backward()
    around = block.weight.detach().sum(0).expand_as(X)
    mistakes = {
        tr("On the way around the block the graph is cut."): around,
        tr("On the way through the block the graph is cut."): torch.ones_like(around),
    }
    trial.same(X.grad, 1 + around, what=tr("the gradient of X"), mistakes=mistakes)


def registers_the_block(answer: type[nn.Module], trial: Trial) -> None:
    """The block belongs to the net: its parameters are the net's parameters."""
    width = trial.size()
    trial.plan(
        tr("parameters() of Residual(Linear({width}, {width}))", width=width),
        nudge=tr("Which kind of attribute does a module look into, when it is asked for its parameters?"),
    )
    block = nn.Linear(width, width)

    came = list(answer(block).parameters())

    trial.same(len(came), 2, what=tr("the number of tensors in parameters()"))
    trial.require(
        all(any(each is parameter for parameter in block.parameters()) for each in came),
        expected=tr("the parameters of the block that was handed over"),
        got=tr("other tensors of the same shapes"),
        remark=tr("The net holds a copy: training it leaves the block that was handed over as it is."),
    )


def leaves_the_blocks_output_alone(answer: type[nn.Module], trial: Trial) -> None:
    """What the block gave is not written into, since the block may need it for its gradients."""
    width = trial.size()
    shape = (trial.size(), width)
    trial.plan(
        tr(
            "backward through Residual(Sequential(Linear({width}, {width}), Tanh())) on X of shape {shape}",
            width=width,
            shape=shape,
        ),
        nudge=tr("+= writes into the tensor on its left. Tanh keeps that tensor, to compute gradients from it."),
    )
    out = trial.call(answer(nn.Sequential(nn.Linear(width, width), nn.Tanh())), trial.tensor(*shape))

    out.sum().backward()


EXERCISE = Exercise(
    name="residual_block",
    notebook="01_blocks",
    section="Python inside `forward`",
    book=None,
    difficulty=1,
    minutes=5,
    task="Write a block Residual(block) that adds to its input what the given block makes of it: X + block(X).",
    stub=STUB,
    form=a_module_class,
    requirements=(adds_the_input, registers_the_block, leaves_the_blocks_output_alone),
    hints=(
        "Where must the given block be kept, so that the new one knows it as a part of itself?",
        "Assign the block to an attribute; in forward call it with X, and add X to what it gives, in a new tensor.",
        "self.block = block in __init__, and X + self.block(X) in forward: with +, not with +=.",
    ),
    solution=Residual,
    why="A module that is assigned to an attribute is registered; + makes a new tensor, so neither the caller's X nor "
    "what the block keeps for its gradients is written into.",
)
