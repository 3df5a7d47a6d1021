"""Two nets side by side."""

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class ParallelBlock(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()

    def forward(self, X):
        raise NotImplementedError
"""


class ParallelBlock(nn.Module):
    """Both nets see the same input; their outputs stand side by side."""

    def __init__(self, net1: nn.Module, net2: nn.Module) -> None:
        super().__init__()
        self.net1 = net1
        self.net2 = net2

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Concatenate net1(X) and net2(X) along the last axis."""
        return torch.cat((self.net1(X), self.net2(X)), dim=-1)


def stands_side_by_side(answer: type[nn.Module], trial: Trial) -> None:
    """The outputs of both nets stand side by side along the last axis, whatever the number of axes."""
    size = trial.size()
    net1, net2, X = _nets_and_input(trial, size, size, size)  # equal widths: here most mistakes run to their end
    out1, out2 = net1(X), net2(X)
    mistakes = {
        tr("The outputs follow each other along the first axis: twice as many examples."): torch.cat((out1, out2)),
        tr("The outputs are added up: each keeps its own features."): out1 + out2,
        tr("net2 is fed with what net1 gave, not with X: that is one after the other."): net2(out1),
        tr("The outputs stand in the other order."): torch.cat((out2, out1), -1),
    }
    trial.same(trial.call(answer(net1, net2), X), torch.cat((out1, out2), -1), mistakes=mistakes)

    net1, net2, X = _nets_and_input(trial, *trial.sizes(3), axes=trial.size(3, 4))
    trial.same(trial.call(answer(net1, net2), X), torch.cat((net1(X), net2(X)), -1))


def registers_both(answer: type[nn.Module], trial: Trial) -> None:
    """Both nets belong to the block: their parameters are its parameters."""
    net1, net2, _ = _nets_and_input(trial, *trial.sizes(3))
    expected = [*net1.parameters(), *net2.parameters()]

    came = list(answer(net1, net2).parameters())

    remark = tr(
        "The block does not know its parts: a module finds those that are its attributes, not those in a plain list."
    )
    trial.require(
        len(came) == len(expected),
        expected=tr("{expected_count} tensors in parameters()", expected_count=len(expected)),
        got=tr("{came_count} tensors", came_count=len(came)),
        remark=remark,
    )
    trial.require(
        {id(each) for each in came} == {id(each) for each in expected},
        expected=tr("the parameters of net1 and net2 themselves"),
        got=tr("other tensors of the same shapes"),
        remark=tr("The block holds copies: training it leaves the nets that were handed over as they are."),
    )


def sends_gradients_to_both(answer: type[nn.Module], trial: Trial) -> None:
    """Gradients flow back into both nets and into X."""
    net1, net2, X = _nets_and_input(trial, *trial.sizes(3))
    trial.nudge = tr("What does an output need so that a loss can be traced back through it?")
    leaves = {"net1.weight": net1.weight, "net2.weight": net2.weight, "X": X.requires_grad_()}
    expected = torch.autograd.grad(torch.cat((net1(X), net2(X)), -1).sin().sum(), tuple(leaves.values()))
    out = trial.call(answer(net1, net2), X)

    came = torch.autograd.grad(out.sin().sum(), tuple(leaves.values()), allow_unused=True)

    for name, one, other in zip(leaves, came, expected, strict=True):
        remark = tr("No gradient reaches {name}: on the way back from the output the graph is cut.", name=name)
        trial.same(one, other, what=tr("the gradient of {name}", name=name), mistakes={remark: None})


def _nets_and_input(
    trial: Trial, width: int, out1: int, out2: int, *, axes: int = 2
) -> tuple[nn.Linear, nn.Linear, torch.Tensor]:
    """Draw two linear layers and an input with so many axes."""
    dtype = trial.dtype()
    shape = (*trial.sizes(axes - 1), width)
    trial.plan(
        tr(
            "ParallelBlock(Linear({width}, {out1}), Linear({width}, {out2})) on X of shape {shape}, {dtype}",
            width=width,
            out1=out1,
            out2=out2,
            shape=shape,
            dtype=dtype,
        ),
        nudge=tr("Which axis holds the features? The other axes count examples, and stay as they are."),
    )
    X = trial.tensor(*shape, dtype=dtype)
    return nn.Linear(width, out1, dtype=dtype), nn.Linear(width, out2, dtype=dtype), X


EXERCISE = Exercise(
    name="parallel_block",
    notebook="01_blocks",
    section="Blocks in blocks",
    book=("5.1.2", "6.1.2"),
    difficulty=2,
    minutes=10,
    task="Write a block that feeds X to two nets and concatenates their outputs along the last axis.",
    stub=STUB,
    form=a_module_class,
    requirements=(stands_side_by_side, registers_both, sends_gradients_to_both),
    hints=(
        "If X has shape (2, 20) and the nets give (2, 8) and (2, 4), what shape should the block give?",
        "Keep both nets as attributes of the block; in forward call each with X and join what they give.",
        "torch.cat takes a tuple of tensors and dim; the last axis is dim=-1, whatever the number of axes.",
    ),
    solution=ParallelBlock,
    why="A module that is assigned to an attribute is registered, so parameters(), state_dict() and to() reach both; "
    "torch.cat keeps the graph, so gradients flow back through either part; dim=-1 is the axis of the features, "
    "whatever the number of axes.",
)
