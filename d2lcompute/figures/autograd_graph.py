"""Autograd graph: the operations behind a result, drawn row by row in the direction of the data."""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from .._translation import tr
from .graph_layout import LANE, Arrow, Box, arrange, recorded, rows_of
from .style import FAINT, INK, LEGIBLE_POINTS, PLAIN, new_axes

__all__ = ["draw_graph"]

_BLUE, _BLUE_EDGE, _GREY_EDGE = "#CFE6F5", "#6F9CBF", "#8C99A6"
# Inches at full size; in a small Axes everything is scaled alike.
_HEIGHT, _ROW, _MARGIN = 0.28, 0.62, 0.06


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
    rows, arrows = rows_of(recorded(output), _checked({} if names is None else names))
    arrange(rows)
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


def _draw_box(ax: Axes, box: Box, scale: float) -> None:
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


def _ends(arrows: list[Arrow], *, at: int) -> list[float]:
    """Return where each arrow begins (``at=0``) or ends (``at=-1``): side by side where a box has several."""
    place = [0.0] * len(arrows)
    beside = 1 if at == 0 else -2
    for box in {arrow[at] for arrow in arrows}:
        own = sorted((i for i, arrow in enumerate(arrows) if arrow[at] is box), key=lambda i: arrows[i][beside].x)
        step = min(LANE, 0.7 * box.width / len(own))
        for k, i in enumerate(own):
            place[i] = box.x + (k - (len(own) - 1) / 2) * step
    return place


def _draw_arrow(ax: Axes, arrow: Arrow, begin: float, end: float, scale: float) -> None:
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
