"""The timeline as a figure: a lane for each that is busy, bars where the events are, waiting told from work."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from d2lcompute import pretend_gpus, synchronize
from d2lcompute.figures import plot_timeline


@pytest.fixture
def machine():
    """Return a machine that has copied, computed on two devices at once, and read."""
    with pretend_gpus(2) as machine:
        X, Y = (torch.ones(800, 800).to(device) for device in machine.devices)
        P, Q = X @ X, Y @ Y
        synchronize("cuda:0")
        (P.to("cuda:1") + Q).sum().item()
    return machine


def bars(ax):
    """Return each bar as (row, start, end), in the order in which it was drawn."""
    boxes = [bar.get_paths()[0].get_extents() for bar in ax.collections]
    return [(round((box.y0 + box.y1) / 2), box.x0, box.x1) for box in boxes]


def test_plot_timeline_has_a_lane_for_each_that_is_busy(machine):
    """The host comes first, then the devices, then the ways of copying; the time is called modelled."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    lanes = [label.get_text() for label in ax.get_yticklabels()]
    assert lanes[:3] == ["host", "cuda:0", "cuda:1"]
    assert lanes[3:] == ["copy cpu→cuda:0", "copy cpu→cuda:1", "copy cuda:0→cuda:1", "copy cuda:1→cpu"]
    assert ax.get_xlabel() == "modelled time (µs)"


def test_plot_timeline_draws_every_event_where_it_was(machine):
    """Each event is one bar in its lane, from its start to its end."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    lanes = [label.get_text() for label in ax.get_yticklabels()]
    expected = [(lanes.index(e.lane), e.start_seconds * 1e6, e.end_seconds * 1e6) for e in machine.timeline]
    assert bars(ax) == [pytest.approx(bar) for bar in expected]


def test_plot_timeline_tells_waiting_from_work(machine):
    """The host's waiting is hatched and hollow, its work is filled."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    waits = [event.name.startswith("wait") for event in machine.timeline]
    assert any(waits)
    assert [bar.get_hatch() is not None for bar in ax.collections] == waits


def test_plot_timeline_shows_work_that_is_over_in_no_time(machine):
    """A bar too thin for its white edge is drawn in its own colour, so that it does not vanish."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    total = max(event.end_seconds for event in machine.timeline)
    work = [(e, b) for e, b in zip(machine.timeline, ax.collections, strict=True) if not e.name.startswith("wait")]
    thin = [bar for event, bar in work if event.end_seconds - event.start_seconds < 0.005 * total]
    assert thin
    assert all(same_color(bar.get_edgecolor()[0], bar.get_facecolor()[0]) for bar in thin)


def test_plot_timeline_sets_bars_apart(machine):
    """Long bars have a thin white edge, so that two in a row are two; waiting has none, only its hatching."""
    ax = plot_timeline(machine, ax=Figure().subplots())

    total = max(event.end_seconds for event in machine.timeline)
    pairs = list(zip(machine.timeline, ax.collections, strict=True))
    waits = [bar for event, bar in pairs if event.name.startswith("wait")]
    long = [bar for e, bar in pairs if bar not in waits and e.end_seconds - e.start_seconds > 0.005 * total]
    assert {bar.get_linewidth()[0] for bar in waits} == {0}
    assert {bar.get_linewidth()[0] for bar in long} == {0.4}
    assert all(same_color(bar.get_edgecolor()[0], "white") for bar in long)


@pytest.mark.parametrize(("n", "unit"), [(10, "µs"), (1500, "ms")])
def test_plot_timeline_chooses_the_unit(n, unit):
    """Times are told in the unit that fits the run."""
    with pretend_gpus(1) as machine:
        X = torch.ones(n, n, device="cuda")
        for _ in range(4):
            X @ X
        synchronize()

    assert plot_timeline(machine, ax=Figure().subplots()).get_xlabel() == f"modelled time ({unit})"


def test_plot_timeline_refuses_a_machine_that_did_nothing():
    """There is nothing to draw before the first operation."""
    with pytest.raises(ValueError, match="machine must have done something: its timeline is empty"):
        plot_timeline(pretend_gpus(1))


def test_plot_timeline_makes_a_figure_of_its_own_by_default(machine):
    """Without an Axes a new figure is made, large enough for its lanes."""
    ax = plot_timeline(machine)

    assert ax.figure.get_size_inches()[1] > 3
    plt.close(ax.figure)
