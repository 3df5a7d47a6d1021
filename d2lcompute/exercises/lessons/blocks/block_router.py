"""One of several blocks, chosen by name."""

import torch
from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_module_class, tr

__all__ = ["EXERCISE"]

STUB = """\
class Router(nn.Module):
    def __init__(self, blocks):
        super().__init__()

    def forward(self, X, name):
        raise NotImplementedError
"""

Blocks = dict[str, nn.Module]


class Router(nn.Module):
    """Sends its input through the block of a given name."""

    def __init__(self, blocks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict(blocks)

    def forward(self, X: torch.Tensor, name: str) -> torch.Tensor:
        """Run the block of this name."""
        return self.blocks[name](X)


def runs_the_named_block(answer: type[nn.Module], trial: Trial) -> None:
    """The block of the given name runs, also if another name stands for the same block."""
    width = trial.size()
    first, second = nn.Linear(width, width), nn.Linear(width, width)
    blocks: Blocks = {"digits": first, "letters": second, "figures": first}
    X = trial.tensor(trial.size(), width)
    router = answer(dict(blocks))
    outputs = {name: block(X) for name, block in blocks.items()}
    both = second(first(X))
    for name in blocks:
        trial.plan(
            tr(
                "Router({{'digits': a, 'letters': b, 'figures': a}}) with two Linear({width}, {width}), "
                "called with X of shape {shape} and {name!r}",
                width=width,
                shape=tuple(X.shape),
                name=name,
            ),
            nudge=tr("Which blocks are there under which names? One of them has two."),
        )
        mistakes = {
            tr("All blocks run, one after the other: only the named one should."): both,
            tr("The same block runs, whatever the name."): next(out for each, out in outputs.items() if each != name),
        }
        trial.same(trial.call(router, X, name), outputs[name], mistakes=mistakes)


def registers_all_blocks(answer: type[nn.Module], trial: Trial) -> None:
    """All blocks belong to the router: parameters(), state_dict() and eval() reach them, also those that never ran."""
    width = trial.size()
    blocks: Blocks = {"digits": nn.Linear(width, width), "letters": nn.BatchNorm1d(width), "signs": nn.Linear(width, 1)}
    trial.plan(
        f"Router({{'digits': Linear({width}, {width}), 'letters': BatchNorm1d({width}), 'signs': Linear({width}, 1)}})",
        nudge=tr(
            "A module knows a part that is its attribute, or that stands in a container which is itself a module."
        ),
    )
    parameters = [parameter for block in blocks.values() for parameter in block.parameters()]
    router = answer(dict(blocks))
    found = list(router.parameters())

    mistakes = {tr("A plain dict hides the blocks, just as a plain list does: they run, and nothing else."): 0}
    trial.same(len(found), 6, what=tr("tensors in router.parameters()"), mistakes=mistakes)
    trial.require(
        all(any(each is parameter for parameter in parameters) for each in found),
        expected=tr("the parameters of the blocks that were handed over"),
        got=tr("other tensors of the same shapes"),
        remark=tr("The router holds copies: an optimizer that was made for the blocks will never train it."),
    )
    remark = tr("The parameters are registered, the blocks are not: buffers, such as a running mean, are lost.")
    trial.same(len(router.state_dict()), 9, what=tr("entries in router.state_dict()"), mistakes={remark: 6})


def runs_no_other_block(answer: type[nn.Module], trial: Trial) -> None:
    """Only the named block runs: the others may expect inputs of another shape."""
    a, b, c = trial.sizes(3)
    blocks: Blocks = {"narrow": nn.Linear(a, c), "wide": nn.Linear(b, c)}
    router_text = f"Router({{'narrow': Linear({a}, {c}), 'wide': Linear({b}, {c})}})"
    router = answer(dict(blocks))
    for name, width in (("narrow", a), ("wide", b)):
        X = trial.tensor(trial.size(), width)
        trial.plan(
            tr(
                "{router} called with X of shape {shape} and {name!r}",
                router=router_text,
                shape=tuple(X.shape),
                name=name,
            ),
            nudge=tr("Choose first, then run: a block that was not asked for cannot take this X."),
        )
        trial.same(trial.call(router, X, name), blocks[name](X))


EXERCISE = Exercise(
    name="block_router",
    notebook="01_blocks",
    section="What is not registered",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a block Router(blocks) for a dict from names to blocks, whose forward(X, name) runs the block of that "
    "name on X.",
    stub=STUB,
    form=a_module_class,
    requirements=(runs_the_named_block, registers_all_blocks, runs_no_other_block),
    hints=(
        "What does a module see of blocks that stand in a Python dict?",
        "PyTorch has a dict for modules that registers what it holds, and is indexed like any dict.",
        "self.blocks = nn.ModuleDict(blocks) in __init__; forward calls self.blocks[name] with X.",
    ),
    solution=Router,
    why="nn.ModuleDict is a module whose parts are its values, so all blocks are registered, those that never run too; "
    "indexing it gives the one of that name, also where two names stand for one block.",
)
