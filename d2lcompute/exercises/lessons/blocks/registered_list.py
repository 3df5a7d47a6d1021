"""The class with a plain list, mended."""

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class RegisteredSequential(nn.Module):
    def __init__(self, *blocks):
        super().__init__()

    def forward(self, X):
        raise NotImplementedError
"""


class RegisteredSequential(nn.Module):
    """Applies its blocks one after the other, and registers them."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Apply each block to what the one before gave."""
        for block in self.blocks:
            X = block(X)
        return X


def runs_all_in_order(answer: type[nn.Module], trial: Trial) -> None:
    """Each block runs once for each place that it was given, in that order."""
    width, dtype = trial.size(), trial.dtype()
    first, shared, last = (nn.Linear(width, width, dtype=dtype) for _ in range(3))
    X = trial.tensor(trial.size(), width, dtype=dtype)
    trial.plan(
        tr("RegisteredSequential(a, b, Tanh(), b, c) on X of shape {shape}, with a, b, c linear", shape=tuple(X.shape)),
        nudge=tr("Is there a place for each block, also for one that is of the same class as another?"),
    )

    came = trial.call(answer(first, shared, nn.Tanh(), shared, last), X)

    mistakes = {
        tr("Block b stands in two places, but runs only once: children() yields each module a single time."): last(
            shared(first(X)).tanh()
        ),
        tr("The blocks run in the opposite order."): first(shared(shared(last(X)).tanh())),
    }
    trial.same(came, last(shared(shared(first(X)).tanh())), mistakes=mistakes)


def registers_the_blocks(answer: type[nn.Module], trial: Trial) -> None:
    """The net owns its blocks: parameters(), state_dict(), to() and eval() reach them."""
    width = trial.size()
    blocks = (nn.Linear(width, width), nn.BatchNorm1d(width), nn.Linear(width, width))
    trial.plan(
        f"net = RegisteredSequential(Linear({width}, {width}), BatchNorm1d({width}), Linear({width}, {width}))",
        nudge=tr("Which kinds of attributes does nn.Module look into?"),
    )
    net = answer(*blocks)
    parameters = {id(parameter): parameter for block in blocks for parameter in block.parameters()}
    found = list(net.parameters())

    trial.same(
        len(found), 6, what=tr("tensors in net.parameters()"), mistakes={tr("A plain list hides the blocks."): 0}
    )
    trial.require(
        all(id(parameter) in parameters for parameter in found),
        expected=tr("the parameters of the blocks that were handed over"),
        got=tr("other tensors of the same shapes"),
        remark=tr("The net holds copies: an optimizer that was made for the blocks will never train it."),
    )
    mistakes = {
        tr("Saving the net would save nothing: parameters() was mended, but the blocks are still not registered."): 0,
        tr("The parameters are registered, the blocks are not: buffers, such as a running mean, are lost."): 6,
    }
    trial.same(len(net.state_dict()), 9, what=tr("entries in net.state_dict()"), mistakes=mistakes)


EXERCISE = Exercise(
    name="registered_list",
    notebook="01_blocks",
    section="What is not registered",
    book=("5.1.1", "6.1.1"),
    difficulty=2,
    minutes=10,
    task="Mend ListSequential: write RegisteredSequential(*blocks), whose blocks are trained, saved and moved with it.",
    stub=STUB,
    form=a_module_class,
    requirements=(runs_all_in_order, registers_the_blocks),
    hints=(
        "What is the difference between an attribute that holds a module and one that holds a list of modules?",
        "PyTorch has a list for modules that registers what it holds; loop over it in forward.",
        "self.blocks = nn.ModuleList(blocks), and the forward of ListSequential as it was.",
    ),
    solution=RegisteredSequential,
    why="nn.ModuleList is a module whose parts are the items, so the net finds each block through its one attribute; "
    "iterating over it yields every place, also when one block stands in two.",
)
