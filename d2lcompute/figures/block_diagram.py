"""Block diagram: how a net's outline is drawn, as nested boxes."""

from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from torch import nn

from .outline import Block, outline
from .style import BOLD, FAINT, INK, LEGIBLE_POINTS, PALETTE, PLAIN, SMALL, ink_on, new_axes, text_width_inches

__all__ = ["draw_blocks"]

_SEPARATOR = "  ·  "
_GREYS = ("#F7F8FA", "#EDF0F3", "#E3E7EC", "#D9DEE5")  # containers, the deeper the darker
# Inches at full size; in a small Axes everything is scaled alike.
_PAD, _GAP, _HEADER, _LINE, _BADGE, _SPACE, _MARGIN = 0.1, 0.07, 0.3, 0.165, 0.24, 0.08, 0.04


class _Placed(NamedTuple):
    """A box with its place in inches, from the top left corner, and the lines of its details."""

    block: Block
    depth: int
    x: float
    y: float
    width: float
    height: float
    lines: list[str]


def draw_blocks(
    net: nn.Module, *, ax: Axes | None = None, max_depth: int | None = None, title: str | None = None
) -> Axes:
    """Draw a net as nested boxes, one for each block, in the order in which they were registered.

    Each box shows the attribute's name, the class, how many elements its parameters hold, and its own parameters and
    buffers. Blocks that share parameters have the same colour and letter; a number in parentheses was counted further
    up. A dashed box is lazy and has not seen data. In a net of more than 32 blocks, equal and deep ones are folded.

    Args:
        net: the net, or any block of one.
        ax: where to draw, everything scaled to fit; by default a new figure of the right size.
        max_depth: how many levels below the net to draw; by default as many as fit.
        title: a line above the boxes.

    Raises:
        TypeError: if ``net`` is no module or ``max_depth`` no integer.
        ValueError: if ``max_depth`` is negative.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = draw_blocks(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), ax=Figure().subplots())
        >>> [text.get_text() for text in ax.texts if text.get_gid() == "block:0"]
        ['40', '0', 'Linear', 'weight (8, 4)  ·  bias (8,)']
    """
    root = outline(net, max_depth=max_depth)
    narrowest = 1.6 + 2 * _PAD * max(box.depth for box in _place(root, 0, 0, 1))
    if ax is None:
        width = max(3, narrowest, min(7, _full_width(root)))
        height = _place(root, 0, 0, width)[0].height
        zoom = min(1, max(0.8, 7 / height))  # a tall drawing becomes a little smaller, so that more of it is in sight
        height = height * zoom + 2 * _MARGIN
        total = height + 0.35 * (title is not None)
        ax = new_axes(width * zoom + 2 * _MARGIN, total)
        ax.set_position((0, 0, 1, height / total))
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title)
    wide, high = (pixels / ax.figure.dpi - 2 * _MARGIN for pixels in (ax.bbox.width, ax.bbox.height))
    scale = min(1, wide / narrowest)
    scale = min(scale, high / _place(root, 0, 0, wide / scale)[0].height)
    ax.set_xlim(-_MARGIN / scale, (wide + _MARGIN) / scale)
    ax.set_ylim((high + _MARGIN) / scale, -_MARGIN / scale)
    for box in _place(root, 0, 0, wide / scale):
        _draw(ax, box, scale)
    return ax


def _place(block: Block, x: float, y: float, width: float, depth: int = 0) -> list[_Placed]:
    """Place a box and, below its header and details, the boxes inside it."""
    lines = _wrapped(block.details, width - 2 * _PAD)
    bottom = y + _HEADER + len(lines) * _LINE + (0.06 if lines else 0)
    inside: list[_Placed] = []
    for inner in block.inside:
        placed = _place(inner, x + _PAD, bottom, width - 2 * _PAD, depth + 1)
        bottom += placed[0].height + _GAP
        inside += placed
    height = bottom - y + (_PAD - _GAP if inside else 0)
    return [_Placed(block, depth, x, y, width, height, lines), *inside]


def _draw(ax: Axes, box: _Placed, scale: float) -> None:
    """Draw one box with its texts; all its artists carry the block's name as their gid."""
    block = box.block
    colours = [PALETTE[(ord(mark[0]) - ord("A") + 1) % len(PALETTE)] for mark in block.marks]
    face, edge = _face_and_edge(box, colours)
    look = {"fc": face, "ec": edge, "ls": _line_style(block)}
    rounded = "round,pad=0,rounding_size=0.05"
    patch = FancyBboxPatch((box.x, box.y), box.width, box.height, rounded, lw=1.2 * scale, **look)
    texts: list[Text] = []
    if PLAIN.get_size_in_points() * scale >= LEGIBLE_POINTS:
        texts = _header(ax, box, colours, scale)
        for i, detail in enumerate(box.lines):
            place = box.x + _PAD, box.y + _HEADER + (i + 0.4) * _LINE
            texts.append(_write(ax, detail, SMALL, scale, place, color=FAINT))
    for artist in (ax.add_patch(patch), *texts):
        artist.set_gid(f"block:{block.path}")


def _line_style(block: Block) -> str:
    """Return how a box is lined: dashed while it has seen no data, dotted if it stands for several blocks."""
    if block.lazy and not block.inside:
        return "--"
    if block.folded:
        return ":"
    return "-"


def _header(ax: Axes, box: _Placed, colours: list[str], scale: float) -> list[Text]:
    """Write the first line of a box: on the right the count, on the left its marks, its name and its class."""
    block, left, right, y = box.block, box.x + _PAD, box.x + box.width - _PAD, box.y + _HEADER / 2
    noun = "" if box.depth or block.count == "lazy" else " parameter" if block.count == "1" else " parameters"
    count = _cut(block.count + noun, PLAIN, 0.65 * (right - left))
    texts = [_write(ax, count, PLAIN, scale, (right, y), ha="right", color=INK if block.stateful else FAINT)]
    room = right - left - text_width_inches(count, PLAIN) - 2 * _SPACE
    for mark, colour in list(zip(block.marks, colours, strict=True))[: int(0.7 * room / _BADGE)]:
        badge = {"boxstyle": "circle,pad=0.2", "fc": colour, "ec": "none"}
        texts.append(_write(ax, mark, SMALL, scale, (left + 0.08, y), ha="center", color=ink_on(colour), bbox=badge))
        left, room = left + _BADGE, room - _BADGE
    kind = _cut(block.kind, BOLD, max(room / 2, room - text_width_inches(block.name, PLAIN) - _SPACE))
    name = _cut(block.name, PLAIN, room - text_width_inches(kind, BOLD) - _SPACE)
    before = _write(ax, name, PLAIN, scale, (left, y), color=FAINT)
    shift = (_SPACE * 72 * scale if name else 0, 0)  # from the end of the name, wherever the letters bring it
    return [*texts, before, _write(ax, kind, BOLD, scale, (1, y), xycoords=(before, "data"), xytext=shift, color=INK)]


def _write(ax: Axes, text: str, font: FontProperties, scale: float, xy: tuple[float, float], **look: Any) -> Text:
    """Write a text as it stands: a dollar sign in a name starts no formula."""
    sized = font.copy()
    sized.set_size(font.get_size_in_points() * scale)
    plain: dict[str, Any] = {"fontproperties": sized, "va": "center_baseline", "parse_math": False, "usetex": False}
    place = {"xytext": (0, 0), "textcoords": "offset points", "annotation_clip": False}
    return ax.annotate(text, xy, **plain | place | look)


def _face_and_edge(box: _Placed, colours: list[str]) -> tuple[Any, Any]:
    """Return the colours of a box: its mark's, or else grey around blocks and blue where parameters are."""
    if colours:
        return tuple(0.8 + 0.2 * part for part in to_rgb(colours[0])), colours[0]
    if box.block.inside:
        return _GREYS[min(box.depth, len(_GREYS) - 1)], "#8C99A6"
    if box.block.folded or not box.block.stateful:
        return "#FFFFFF", "#A9B4BF"
    if box.block.lazy:
        return "#FFFFFF", "#6F9CBF"
    return "#E1EEF8", "#6F9CBF"


def _full_width(block: Block) -> float:
    """Return the width in inches at which no text of a box, or of those inside it, has to be cut."""
    texts = ((block.name, PLAIN), (block.kind, BOLD), (f"{block.count} parameters", PLAIN))
    header = sum(text_width_inches(*text) for text in texts) + 3 * _SPACE + len(block.marks) * _BADGE
    details = min(4.5, text_width_inches(_SEPARATOR.join(block.details), SMALL))
    return 2 * _PAD + max([header, details, *map(_full_width, block.inside)])


def _wrapped(items: list[str], room: float) -> list[str]:
    """Arrange items in three lines at most; where they do not fit, the third says how many more there are."""
    lines: list[list[str]] = []
    for item in items:
        if lines and text_width_inches(_SEPARATOR.join([*lines[-1], item]), SMALL) <= room:
            lines[-1].append(item)
        else:
            lines.append([item])
    if len(lines) > 3:
        lines[2:] = [[f"… {sum(map(len, lines[2:]))} more"]]
    return [_cut(_SEPARATOR.join(line), SMALL, room) for line in lines]


def _cut(text: str, font: FontProperties, room: float) -> str:
    """Return a text, cut short where it is wider than the room."""
    cuts = (f"{text[:n].rstrip()}…" for n in range(len(text) - 1, 0, -1))
    return next((cut for cut in (text, *cuts) if text_width_inches(cut, font) <= room), "")
