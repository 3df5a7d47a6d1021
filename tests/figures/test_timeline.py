"""The timeline's drawing from above: which lane stands where, and which bars are named."""

import pytest
import torch
from matplotlib.figure import Figure

from d2lcompute import pretend_gpus, synchronize
from d2lcompute.figures import plot_timeline


@pytest.fixture
def machine():
    """Return a machine on which two products, a copy and a wait have happened."""
    with pretend_gpus(2) as machine:
        A = torch.ones(300, 300, device="cuda:0")
        B = (A @ A).to("cuda:1")
        B @ B
        for device in machine.devices:
            synchronize(device)
    return machine


def bars(ax):
    """Return what is drawn: the row and the left and right end of every bar."""
    boxes = [path.get_extents() for collection in ax.collections for path in collection.get_paths()]
    return sorted((round((box.y0 + box.y1) / 2), box.x0, box.x1) for box in boxes)


def test_plot_timeline_puts_the_host_first_and_copies_last(machine):
    """From the top: the host, the devices in order, the ways of copying."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    assert [label.get_text() for label in ax.get_yticklabels()] == ["host", "cuda:0", "cuda:1", "copy cuda:0→cuda:1"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row is at the top"


def test_plot_timeline_names_bars_only_where_there_is_room(machine):
    """The names that are written are those of events, and lie inside their bars."""
    figure = Figure(figsize=(9, 3))
    ax = plot_timeline(machine, ax=figure.subplots())

    figure.canvas.draw()
    extents = [(text, text.get_window_extent()) for text in ax.texts]
    ends = [[ax.transData.transform((x, 0))[0] for x in (left, right)] for _, left, right in bars(ax)]

    assert {text.get_text() for text, _ in extents} <= {event.name for event in machine.timeline}
    assert "copy" in {text.get_text() for text, _ in extents}
    for _, extent in extents:
        assert any(left <= extent.x0 and extent.x1 <= right for left, right in ends)
