"""The drawing of a pretended machine's timeline shows its events, lane by lane."""

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


def test_plot_timeline_draws_every_event_in_its_lane(machine):
    """Each event is one bar, in the row of its lane, from its start to its end."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    lanes = [label.get_text() for label in ax.get_yticklabels()]
    expected = sorted((lanes.index(e.lane), 1e6 * e.start_seconds, 1e6 * e.end_seconds) for e in machine.timeline)
    assert ax.get_xlabel() == "modelled time (µs)"
    assert [bar[0] for bar in bars(ax)] == [row for row, _, _ in expected]
    assert [x for bar in bars(ax) for x in bar[1:]] == pytest.approx([x for row in expected for x in row[1:]])


def test_plot_timeline_puts_the_host_first_and_copies_last(machine):
    """From the top: the host, the devices in order, the ways of copying."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    assert [label.get_text() for label in ax.get_yticklabels()] == ["host", "cuda:0", "cuda:1", "copy cuda:0→cuda:1"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row is at the top"


def test_plot_timeline_hatches_waiting(machine):
    """Waiting looks unlike work, so that colours are not needed to tell them apart."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    hatched = [collection for collection in ax.collections if collection.get_hatch()]
    waits = [event for event in machine.timeline if event.name.startswith("wait")]
    assert len(hatched) == len(waits) > 0


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


def test_plot_timeline_refuses_an_empty_one():
    """A machine on which nothing has happened gets a sentence, not an empty drawing."""
    with pytest.raises(ValueError, match="machine must have done something: its timeline is empty"):
        plot_timeline(pretend_gpus(1), ax=Figure().subplots())
