"""Timeline: what a pretended machine was busy with, as bars along its virtual clock."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from .._translation import tr
from .style import PALETTE, PLAIN, ink_on, new_axes, text_width_inches

if TYPE_CHECKING:  # the pretended machine's tables are loaded by those who pretend
    from ..pretend import Event, Machine

__all__ = ["plot_timeline"]


def plot_timeline(machine: "Machine", *, ax: Axes | None = None) -> Axes:
    """Draw what a pretended machine did: a lane for the host, for each device and for each way of copying.

    Bars are work, named where there is room; pale, hatched bars are the host waiting. The time is the machine's
    modelled one, not a measured one.

    Args:
        machine: what ``pretend_gpus`` gave.
        ax: where to draw; by default a new figure.

    Raises:
        ValueError: if nothing has happened on the machine.

    Example:
        >>> import torch
        >>> from matplotlib.figure import Figure
        >>> from d2lcompute import pretend_gpus
        >>> with pretend_gpus(1) as machine:
        ...     total = torch.ones(3, device="cuda").sum().item()
        >>> [label.get_text() for label in plot_timeline(machine, ax=Figure().subplots()).get_yticklabels()]
        ['host', 'cuda:0', 'copy cuda:0→cpu']
    """
    if not machine.timeline:
        raise ValueError(tr("machine must have done something: its timeline is empty"))
    lanes = sorted({event.lane for event in machine.timeline}, key=lambda lane: (lane != "host", "copy" in lane, lane))
    end = max(event.end_seconds for event in machine.timeline)
    unit, factor = _unit_for(end)
    ax = ax or new_axes(7.2, 0.9 + 0.5 * len(lanes), layout="constrained")
    ax.set(xlim=(0, end * factor), ylim=(len(lanes) - 0.4, -0.6), xlabel=f"modelled time ({unit})")
    ax.set_yticks(range(len(lanes)), lanes)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    for event in machine.timeline:
        _draw_event(ax, event, lanes.index(event.lane), factor)
    return ax


def _unit_for(seconds: float) -> tuple[str, float]:
    """Return the unit in which a time is told, and how many of it make a second."""
    if seconds >= 1:
        return "s", 1.0
    if seconds >= 1e-3:
        return "ms", 1e3
    return "µs", 1e6


def _draw_event(ax: Axes, event: "Event", row: int, factor: float) -> None:
    """Draw one bar of a timeline, with its name if that fits into it."""
    start, width = event.start_seconds * factor, (event.end_seconds - event.start_seconds) * factor
    waits = event.name.startswith("wait")
    colour = PALETTE[row % len(PALETTE)]
    thin = width < 0.005 * ax.get_xlim()[1]  # a white edge would cover it
    bar = {"fc": colour, "ec": colour if thin else "white"}
    look = {"fc": "none", "ec": colour, "hatch": "////", "alpha": 0.35} if waits else bar
    ax.broken_barh([(start, width)], (row - 0.35, 0.7), lw=0 if waits else 0.4, **look)
    room = 72 * ax.bbox.width / ax.get_figure().dpi * width / ax.get_xlim()[1]  # type: ignore[union-attr]
    if text_width_inches(event.name, PLAIN) * 72 < room:
        ax.text(
            start + width / 2, row, event.name, ha="center", va="center", color="black" if waits else ink_on(colour)
        )
