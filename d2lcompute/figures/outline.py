"""Outline: what a drawing of a net says, block by block, before anything is drawn."""

import itertools
import string
from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from .._arguments import checked_integer
from .._translation import N_
from ..parameters import tied_groups, written_out

__all__ = ["Block", "outline"]

_MAX_BLOCKS = 32  # more boxes than these are no longer read, so repeated and deep ones are folded
_MAX_CHILDREN, _MAX_DEPTH = 12, 12
_MAX_LETTERS = 200  # of a name: no figure is wide enough for more


@dataclass(eq=False)
class Block:
    """One box of a drawing: a block of the net, or several of them folded into one.

    Attributes:
        path: the block's full name in the net; empty for the net itself.
        name: the attribute under which it was registered; empty for the net itself.
        kind: the name of its class, or how many blocks are folded here.
        count: the number of its parameters' elements, in parentheses if all of them were counted further up.
        details: its own parameters and buffers with their shapes, or why its blocks are not shown.
        stateful: whether it holds any parameter or buffer.
        lazy: whether one of its parameters has no shape yet.
        folded: whether it stands for several blocks.
        marks: a letter for each set of blocks that it shares parameters with.
        inside: the boxes in it.
    """

    path: str
    name: str
    kind: str
    count: str
    stateful: bool
    lazy: bool
    folded: bool = False
    details: list[str] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    inside: list["Block"] = field(default_factory=list)

    def walk(self) -> list["Block"]:
        """List this box and all boxes inside, top down."""
        return [self, *(inner for block in self.inside for inner in block.walk())]


def outline(net: nn.Module, *, max_depth: int | None = None) -> Block:
    """Describe a net as nested blocks, in the order in which they were registered.

    Up to 32 blocks are all described. In a larger net, runs of equal blocks are folded first (one is described, the
    others are counted), then long lists, then the deepest levels.

    Args:
        net: the net.
        max_depth: how many levels below the net to describe at most; by default as many as fit.

    Raises:
        TypeError: if ``net`` is no module or ``max_depth`` no integer.
        ValueError: if ``max_depth`` is negative.

    Example:
        >>> root = outline(nn.Sequential(nn.Linear(4, 8), nn.ReLU()))
        >>> [(block.name, block.kind, block.count) for block in root.walk()]
        [('', 'Sequential', '40'), ('0', 'Linear', '40'), ('1', 'ReLU', '0')]
    """
    ties = tied_groups(net)  # also refuses what is no module
    if max_depth is not None:
        max_depth = checked_integer("max_depth", max_depth, minimum=0, meaning=N_("or None for as many levels as fit"))
    deepest = max(path.count(".") + 1 for path, _ in net.named_modules(remove_duplicate=False))
    depth = min(deepest, _MAX_DEPTH if max_depth is None else max_depth)
    inventory = _Inventory(net)
    outliner = _Outliner(depth, inventory, fold=False)
    if len(outliner.root.walk()) > _MAX_BLOCKS:
        outliner = _Outliner(depth, inventory, fold=True)
    while len(outliner.root.walk()) > _MAX_BLOCKS and depth > 1:
        depth -= 1
        outliner = _Outliner(depth, inventory, fold=True)
    outliner.mark(ties)
    return outliner.root


class _Inventory:
    """What is asked of each block again and again, found out once: a large net is described at several depths."""

    def __init__(self, net: nn.Module) -> None:
        self.modules = dict(net.named_modules(remove_duplicate=False))
        self.places = Counter(self.modules.values())
        self._parameters: dict[nn.Module, tuple[nn.Parameter, ...]] = {}
        self._looks: dict[nn.Module, tuple[object, ...]] = {}

    def parameters(self, module: nn.Module) -> tuple[nn.Parameter, ...]:
        """Return the parameters in a block and below."""
        if module not in self._parameters:
            self._parameters[module] = tuple(module.parameters())
        return self._parameters[module]

    def looks(self, module: nn.Module) -> tuple[object, ...]:
        """Return what two blocks must have in common to be drawn alike."""
        if module not in self._looks:
            shapes = tuple((name, _shape(parameter)) for name, parameter in module.named_parameters())
            self._looks[module] = type(module), repr(module), shapes
        return self._looks[module]


class _Outliner:
    """One walk through a net, with what has to be remembered on the way."""

    def __init__(self, max_depth: int, inventory: _Inventory, *, fold: bool) -> None:
        self.max_depth, self.inventory, self.fold = max_depth, inventory, fold
        self.modules, self.places = inventory.modules, inventory.places
        self.first_path: dict[nn.Module, str] = {}
        self.counted: set[nn.Parameter] = set()
        self.boxes: dict[str, Block] = {}  # from the path of each block, hidden in a fold or not, to its box
        self.root = self.describe("", max_depth)

    def describe(self, path: str, levels: int) -> Block:
        """Describe one block, and what is inside it as far as there are levels left."""
        module = self.modules[path]
        block = self.box([path], path.rpartition(".")[2], type(module).__name__)
        children = [f"{path}.{name}".lstrip(".") for name, child in module._modules.items() if child is not None]
        if self.first_path.setdefault(module, path) != path and block.stateful:
            block.details = [f"the same block as {self.first_path[module]}"]
        else:
            block.details = _tensors(module)
            self.counted.update(module.parameters(recurse=False))
            if levels:
                block.inside = [self.describe_group(group, levels - 1) for group in self.grouped(children)]
            elif children:
                block.details.append(f"{len(children)} block{'s' * (len(children) != 1)} inside")
        self.counted.update(self.inventory.parameters(module))
        return block

    def describe_group(self, paths: list[str], levels: int) -> Block:
        """Describe one block as it is, and several as one box that counts them."""
        if len(paths) == 1:
            return self.describe(paths[0], levels)
        names = [path.rpartition(".")[2] for path in paths]
        kinds = {type(self.modules[path]).__name__ for path in paths}
        kind = f"{len(paths)} more {kinds.pop() if len(kinds) == 1 else 'blocks'}"
        block = self.box(paths, f"{names[0]} … {names[-1]}", kind)
        block.folded = True
        for path in paths:
            self.counted.update(self.inventory.parameters(self.modules[path]))
        return block

    def grouped(self, paths: list[str]) -> list[list[str]]:
        """Group the blocks that share a box: in a large net, what follows an equal block, and the middle of a list."""
        if not self.fold:
            return [[path] for path in paths]
        groups = []
        for _, run in itertools.groupby(paths, key=lambda path: self.inventory.looks(self.modules[path])):
            first, *others = run
            groups.append([first])
            if others:
                groups.append(others)
        if len(groups) <= _MAX_CHILDREN:
            return groups
        *begin, last = groups
        begin, middle = begin[: _MAX_CHILDREN - 2], begin[_MAX_CHILDREN - 2 :]
        return [*begin, list(itertools.chain.from_iterable(middle)), last]

    def box(self, paths: list[str], name: str, kind: str) -> Block:
        """Make the box of one or several blocks, without details."""
        modules = [self.modules[path] for path in paths]
        parameters = dict.fromkeys(itertools.chain.from_iterable(map(self.inventory.parameters, modules)))
        known = sum(parameter.numel() for parameter in parameters if not is_lazy(parameter))
        lazy = any(is_lazy(parameter) for parameter in parameters)
        if not lazy:
            count = f"{known:,}"
        elif known:
            count = f"{known:,} + lazy"
        else:
            count = "lazy"
        if parameters and self.counted.issuperset(parameters):
            count = f"({count})"
        stateful = bool(parameters) or any(True for module in modules for _ in module.buffers())
        block = Block(paths[0], _line(name), _line(kind), count, stateful, lazy)
        self.boxes.update(dict.fromkeys(paths, block))
        return block

    def mark(self, ties: list[tuple[str, ...]]) -> None:
        """Give each set of boxes that hold the same parameters a letter."""
        sets = dict.fromkeys(frozenset(self.visible(name) for name in names) for names in ties)
        for i, boxes in enumerate(boxes for boxes in sets if len(boxes) > 1):
            for box in boxes:
                box.marks.append(string.ascii_uppercase[i % 26] * (i // 26 + 1))

    def visible(self, name: str) -> Block:
        """Return the box in which a parameter is seen; one inside a block that comes twice belongs to that block."""
        owners = list(itertools.accumulate(name.split(".")[:-1], "{}.{}".format))
        shared = (i for i, path in enumerate(owners, 1) if self.places[self.modules[path]] > 1)
        seen = [self.boxes[path] for path in owners[: next(shared, None)] if path in self.boxes]
        return seen[-1] if seen else self.root


def _tensors(module: nn.Module) -> list[str]:
    """List a block's own parameters and buffers with their shapes."""
    parameters = module.named_parameters(recurse=False, remove_duplicate=False)
    buffers = module.named_buffers(recurse=False, remove_duplicate=False)
    shapes = [f"{_line(name)} {_shape(p)}" for name, p in parameters]
    return shapes + [f"{_line(name)} {_shape(b)} buffer" for name, b in buffers]


def _line(name: str) -> str:
    """Return a name on one line, cut to what can be drawn, with letters that cannot be seen written out."""
    return written_out(" ".join(name[:_MAX_LETTERS].split()))


def _shape(tensor: torch.Tensor) -> str:
    """Return a tensor's shape as text, a question mark for one that is not known yet."""
    return "(?)" if is_lazy(tensor) else str(tuple(tensor.shape))
