"""Graph layout: the nodes behind a result in rows, each near those that it is connected with."""

import itertools
import re
from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch.autograd.graph import Node

from .._translation import tr
from ..parameters import written_out
from .style import PLAIN, text_width_inches

__all__ = ["LANE", "Arrow", "Box", "arrange", "recorded", "rows_of"]

_MAX_NODES = 100  # more boxes than these are no longer read
_MAX_LETTERS = 40  # of a name: its end tells parameters apart
_SWEEPS = 12  # over all rows, up and down in turn; more of them change little
# Inches at full size.
_PAD, _GAP, LANE = 0.09, 0.22, 0.12


@dataclass(eq=False)
class Box:
    """A node of the graph with its place in inches, or the point at which an arrow passes a row that is not its end.

    Attributes:
        text: what is written; empty for a point of an arrow.
        row: how far it is from the result, on the longest way; the result has row 0, at the bottom.
        leaf: whether a gradient ends here.
        sources: what the data come from, in the row above.
        users: where the data go, in the row below.
        x: its middle.
    """

    text: str
    row: int
    leaf: bool = False
    sources: list["Box"] = field(default_factory=list)
    users: list["Box"] = field(default_factory=list)
    x: float = 0.0

    @property
    def width(self) -> float:
        """Return its width."""
        return max(0.4, text_width_inches(self.text, PLAIN) + 2 * _PAD) if self.text else LANE


Arrow = list[Box]  # from the box where it begins, past the points in the rows between, to the box where it ends


def recorded(output: torch.Tensor) -> dict[Node, list[Node]]:
    """Return each node behind a result and the nodes that it leads back to, a node before those that it leads to."""
    if not isinstance(output, torch.Tensor):
        raise TypeError(tr("output must be a tensor; got {kind}", kind=type(output)))
    if output.grad_fn is None:
        what = tr("a leaf") if output.requires_grad else tr("one that requires no gradient")
        raise ValueError(tr("output must be computed from a tensor that requires a gradient; got {what}", what=what))
    sources: dict[Node, list[Node]] = {}
    waiting = [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node not in sources:
            sources[node] = [source for source, _ in node.next_functions if source is not None]
            waiting += sources[node]
    if len(sources) > _MAX_NODES:
        raise ValueError(
            tr(
                "output must have at most {limit} operations and leaves behind it to be drawn; got {count:,}. "
                "Draw a smaller net or a part of it",
                limit=_MAX_NODES,
                count=len(sources),
            )
        )
    return _sorted(output.grad_fn, sources)


def _sorted(first: Node, sources: dict[Node, list[Node]]) -> dict[Node, list[Node]]:
    """Return the nodes in an order in which each comes before those that it leads to."""
    done: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in done:
            for source in sources[node]:
                visit(source)
            done[node] = None

    visit(first)
    return {node: sources[node] for node in reversed(done)}


def rows_of(sources: dict[Node, list[Node]], names: dict[torch.Tensor, str]) -> tuple[list[list[Box]], list[Arrow]]:
    """Return the boxes row by row from the result on, and the arrows; an arrow has a point in each row it passes."""
    boxes = {node: Box(_text(node, names), 0, leaf=hasattr(node, "variable")) for node in sources}
    for node, before in sources.items():
        for source in before:
            boxes[source].row = max(boxes[source].row, boxes[node].row + 1)
    rows: list[list[Box]] = [[] for _ in range(1 + max(box.row for box in boxes.values()))]
    arrows = []
    for node, before in sources.items():
        rows[boxes[node].row].append(boxes[node])
        for source in before:
            points = [Box("", row) for row in range(boxes[source].row - 1, boxes[node].row, -1)]
            for point in points:
                rows[point.row].append(point)
            arrows.append([boxes[source], *points, boxes[node]])
    for upper, lower in (pair for arrow in arrows for pair in itertools.pairwise(arrow)):
        upper.users.append(lower)
        lower.sources.append(upper)
    return rows, arrows


def _text(node: Node, names: dict[torch.Tensor, str]) -> str:
    """Return what stands in a node's box: a leaf's name or shape, or the operation."""
    leaf = getattr(node, "variable", None)
    if leaf is None:
        text = re.sub(r"Backward\d*$", "", node.name().rpartition("::")[2])
    else:
        text = names.get(leaf, f"leaf {tuple(leaf.shape)}")
    text = written_out(" ".join(text[-_MAX_LETTERS - 1 :].split())) or "?"
    return text if len(text) <= _MAX_LETTERS else f"…{text[1 - _MAX_LETTERS :]}"


def arrange(rows: list[list[Box]]) -> None:
    """Give each box a place near those that it is connected with: first the order in a row, then where exactly."""
    for row in rows:
        _space_evenly(row)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            for box in row:
                box.x = _middle(box.users if sweep % 2 == 0 else box.sources, box.x)
            row.sort(key=lambda box: box.x)
            _space_evenly(row)
    for sweep in range(_SWEEPS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _place(row)


def _space_evenly(row: list[Box]) -> None:
    """Place the boxes of a row as if all were equally wide."""
    for i, box in enumerate(row):
        box.x = i - (len(row) - 1) / 2


def _middle(boxes: list[Box], otherwise: float) -> float:
    """Return the mean place of some boxes."""
    return fmean(box.x for box in boxes) if boxes else otherwise


def _place(row: list[Box]) -> None:
    """Move the boxes of a row towards the middle of their neighbours, as far as there is room between them."""
    from_left = [_middle(box.sources + box.users, box.x) for box in row]
    from_right = from_left[:]
    apart = [(one.width + other.width) / 2 + _GAP for one, other in itertools.pairwise(row)]
    for i, distance in enumerate(apart):
        from_left[i + 1] = max(from_left[i + 1], from_left[i] + distance)
    for i, distance in reversed(list(enumerate(apart))):
        from_right[i] = min(from_right[i], from_right[i + 1] - distance)
    for box, low, high in zip(row, from_left, from_right, strict=True):
        box.x = (low + high) / 2  # both keep the distances, so their middle does
