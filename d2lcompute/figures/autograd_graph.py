"""Autograd graph: the operations behind a result, drawn row by row in the direction of the data."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from torch.autograd.graph import Node

from .._translation import tr
from ..parameters import written_out
from .style import FAINT, INK, LEGIBLE_POINTS, PLAIN, new_axes, text_width_inches

__all__ = ["draw_graph"]

_MAX_NODES = 100  # more boxes than these are no longer read
_MAX_LETTERS = 40  # of a name: its end tells parameters apart
_BLUE, _BLUE_EDGE, _GREY_EDGE = "#CFE6F5", "#6F9CBF", "#8C99A6"
# Inches at full size; in a small Axes everything is scaled alike.
_HEIGHT, _ROW, _PAD, _GAP, _LANE, _MARGIN = 0.28, 0.62, 0.09, 0.22, 0.12, 0.06
_SWEEPS = 12  # over all rows, up and down in turn; more of them change little


@dataclass(eq=False)
class _Box:
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
    sources: list["_Box"] = field(default_factory=list)
    users: list["_Box"] = field(default_factory=list)
    x: float = 0.0

    @property
    def width(self) -> float:
        """Return its width."""
        return max(0.4, text_width_inches(self.text, PLAIN) + 2 * _PAD) if self.text else _LANE


_Arrow = list[_Box]  # from the box where it begins, past the points in the rows between, to the box where it ends


def draw_graph(
    output: torch.Tensor, names: Mapping[str, torch.Tensor] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw the operations that autograd has recorded for a result, from its leaves down to the result.

    Each operation is a box, and an arrow leads from what it computed to each operation that used it: the way of the
    data. ``backward`` goes against the arrows. The leaves, in which gradients are left, are blue. Tensors that need no
    gradient are not recorded, so they are not drawn. The graph is only looked at: ``backward`` works afterwards.

    Args:
        output: the result, computed from a tensor that requires a gradient.
        names: what to call the leaves, such as ``dict(net.named_parameters())``; a leaf without a name has its shape.
        ax: where to draw, everything scaled to fit; by default a new figure of the right size.

    Returns:
        The Axes, with the boxes' texts in ``ax.texts``, row by row from above.

    Raises:
        TypeError: if ``output`` is no tensor, or ``names`` does not map names to tensors.
        ValueError: if nothing was recorded for ``output``, or more than 100 operations and leaves.

    Example:
        >>> from matplotlib.figure import Figure
        >>> w = torch.ones(3, requires_grad=True)
        >>> ax = draw_graph((2 * w).sum(), {"w": w}, ax=Figure().subplots())
        >>> [text.get_text() for text in ax.texts]
        ['w', 'Mul', 'Sum']
    """
    rows, arrows = _rows(_walk(output), _checked({} if names is None else names))
    _arrange(rows)
    left = min(box.x - box.width / 2 for box in itertools.chain(*rows))
    wide = max(box.x + box.width / 2 for box in itertools.chain(*rows)) - left
    high = (len(rows) - 1) * _ROW + _HEIGHT
    if ax is None:
        zoom = min(1, 7 / wide, max(0.7, 8 / high))  # a tall drawing becomes smaller, so that more of it is in sight
        ax = new_axes(wide * zoom + 2 * _MARGIN, high * zoom + 2 * _MARGIN)
        ax.set_position((0, 0, 1, 1))
    ax.set_axis_off()
    inches = [pixels / ax.figure.dpi - 2 * _MARGIN for pixels in (ax.bbox.width, ax.bbox.height)]
    scale = min(1, inches[0] / wide, inches[1] / high)
    beside, below = (inches[0] / scale - wide) / 2 + _MARGIN / scale, (inches[1] / scale - high) / 2 + _MARGIN / scale
    ax.set_xlim(left - beside, left + wide + beside)
    ax.set_ylim(-_HEIGHT / 2 - below, high - _HEIGHT / 2 + below)
    for box in itertools.chain(*reversed(rows)):
        if box.text:
            _draw_box(ax, box, scale)
    for arrow, begin, end in zip(arrows, _ends(arrows, at=0), _ends(arrows, at=-1), strict=True):
        _draw_arrow(ax, arrow, begin, end, scale)
    return ax


def _checked(names: Mapping[str, torch.Tensor]) -> dict[torch.Tensor, str]:
    """Return the name of each tensor; one with two names has the first."""
    if not isinstance(names, Mapping):
        raise TypeError(
            tr("names must map names to tensors, as dict(net.named_parameters()) does; got {kind}", kind=type(names))
        )
    if wrong := [name for name, tensor in names.items() if not isinstance(tensor, torch.Tensor)]:
        raise TypeError(tr("names[{name!r}] must be a tensor; got {kind}", name=wrong[0], kind=type(names[wrong[0]])))
    return {tensor: name for name, tensor in reversed(list(names.items()))}


def _walk(output: torch.Tensor) -> dict[Node, list[Node]]:
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


def _rows(sources: dict[Node, list[Node]], names: dict[torch.Tensor, str]) -> tuple[list[list[_Box]], list[_Arrow]]:
    """Return the boxes row by row from the result on, and the arrows; an arrow has a point in each row it passes."""
    boxes = {node: _Box(_text(node, names), 0, leaf=hasattr(node, "variable")) for node in sources}
    for node, before in sources.items():
        for source in before:
            boxes[source].row = max(boxes[source].row, boxes[node].row + 1)
    rows: list[list[_Box]] = [[] for _ in range(1 + max(box.row for box in boxes.values()))]
    arrows = []
    for node, before in sources.items():
        rows[boxes[node].row].append(boxes[node])
        for source in before:
            points = [_Box("", row) for row in range(boxes[source].row - 1, boxes[node].row, -1)]
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


def _arrange(rows: list[list[_Box]]) -> None:
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


def _space_evenly(row: list[_Box]) -> None:
    """Place the boxes of a row as if all were equally wide."""
    for i, box in enumerate(row):
        box.x = i - (len(row) - 1) / 2


def _middle(boxes: list[_Box], otherwise: float) -> float:
    """Return the mean place of some boxes."""
    return fmean(box.x for box in boxes) if boxes else otherwise


def _place(row: list[_Box]) -> None:
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


def _draw_box(ax: Axes, box: _Box, scale: float) -> None:
    """Draw a node's box and write its text into it as it stands."""
    y = box.row * _ROW
    look: dict[str, Any] = {"fc": _BLUE, "ec": _BLUE_EDGE} if box.leaf else {"fc": "white", "ec": _GREY_EDGE}
    style = "round,pad=0,rounding_size=0.06"
    corner = box.x - box.width / 2, y - _HEIGHT / 2
    ax.add_patch(FancyBboxPatch(corner, box.width, _HEIGHT, style, lw=1.1 * scale, zorder=2, **look))
    font = PLAIN.copy()
    font.set_size(PLAIN.get_size_in_points() * scale)
    if font.get_size_in_points() >= LEGIBLE_POINTS:
        plain: dict[str, Any] = {"ha": "center", "va": "center_baseline", "parse_math": False, "usetex": False}
        ax.text(box.x, y, box.text, fontproperties=font, color=INK, zorder=3, **plain)


def _ends(arrows: list[_Arrow], *, at: int) -> list[float]:
    """Return where each arrow begins (``at=0``) or ends (``at=-1``): side by side where a box has several."""
    place = [0.0] * len(arrows)
    beside = 1 if at == 0 else -2
    for box in {arrow[at] for arrow in arrows}:
        own = sorted((i for i, arrow in enumerate(arrows) if arrow[at] is box), key=lambda i: arrows[i][beside].x)
        step = min(_LANE, 0.7 * box.width / len(own))
        for k, i in enumerate(own):
            place[i] = box.x + (k - (len(own) - 1) / 2) * step
    return place


def _draw_arrow(ax: Axes, arrow: _Arrow, begin: float, end: float, scale: float) -> None:
    """Draw an arrow from a box down to one that uses what it computed, straight past each row between."""
    points, codes = [(begin, arrow[0].row * _ROW - _HEIGHT / 2)], [Path.MOVETO]
    for box in arrow[1:]:
        x, y = points[-1]
        to, top = end if box.text else box.x, box.row * _ROW + _HEIGHT / 2
        points += [(x, (y + top) / 2), (to, (y + top) / 2), (to, top)]
        codes += [Path.CURVE4] * 3
        if not box.text:
            points.append((to, top - _HEIGHT))
            codes.append(Path.LINETO)
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9 * scale, "lw": 1.1 * scale, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(path=Path(points, codes), color=FAINT, zorder=1, shrinkA=0, **look))
