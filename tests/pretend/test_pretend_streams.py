"""Streams and events: timing with events, copies beside computing, orders between streams, torch's own words."""

import itertools
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from d2lcompute import pretend_gpus
from d2lcompute.figures import plot_timeline
from d2lcompute.pretend import A100, EPYC_7742

GPU0, GPU1 = torch.device("cuda:0"), torch.device("cuda:1")
MM = 2 * 500**3 / 19.5e12  # what a product of 500 × 500 takes on the card
BUS = A100.bus_latency_seconds + 4e6 / 32e9  # what 4 MB take
HASTE = replace(EPYC_7742, launch_seconds=0.0, call_seconds=0.0)  # a host that takes no time, so that sums are exact


@pytest.fixture
def machine():
    """Open a machine with two devices and a host that takes no time."""
    with pretend_gpus(2, host=HASTE) as machine:
        yield machine


def square(device=GPU0):
    """Return a matrix of 500 × 500 on a device that has nothing to do."""
    X = torch.ones(500, 500, device=device)
    torch.cuda.synchronize(device)
    return X


def bars(machine, lane):
    """Return when the bars of a lane begin and end, but for those that make the tensors of a test."""
    return [(e.start_seconds, e.end_seconds) for e in machine.timeline if e.lane == lane and e.name in ("mm", "copy")]


# Events.


def test_events_time_what_is_between_them(machine):
    """The textbook's way to time: two events around the work, a wait, the milliseconds between them."""
    X = square()
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    for _ in range(10):
        X @ X
    end.record()
    torch.cuda.synchronize()

    assert start.elapsed_time(end) == pytest.approx(1000 * 10 * MM)
    assert end.elapsed_time(start) == -start.elapsed_time(end)


def test_an_event_tells_when_it_is_reached():
    """It is not reached while its work is under way; who waits for it waits for what came before it alone."""
    with pretend_gpus(1) as machine:
        X = torch.ones(2000, 2000, device=GPU0)
        event = torch.cuda.Event()
        X @ X
        event.record()
        X @ X
        early = event.query()
        event.synchronize()
        reached = event.query()
        still_busy = not torch.cuda.current_stream().query()

    assert (early, reached, still_busy) == (False, True, True)
    assert any(bar.name == "wait for an event of cuda:0" for bar in machine.timeline)


def test_a_loop_that_asks_comes_to_an_end_and_leaves_one_bar():
    """Asking takes a moment of the host's clock, so that a program may ask until the work is done."""
    with pretend_gpus(1) as machine:
        X = torch.ones(2000, 2000, device=GPU0)
        X @ X
        event = torch.cuda.current_stream().record_event()
        asked = 0
        while not event.query():
            asked += 1

    assert asked * EPYC_7742.call_seconds == pytest.approx(2 * 2000**3 / 19.5e12, rel=0.02)
    assert [bar.name for bar in machine.timeline].count("query") == 1


def test_an_event_that_was_never_recorded_holds_nobody(machine):
    """It is reached, as a real one is, and waiting for it is over at once."""
    event = torch.cuda.Event()
    event.synchronize()
    event.wait()

    assert event.query()
    assert machine.timeline == ()


def test_what_events_cannot_tell_is_refused_in_torchs_words(machine):
    """Without timing, before they are recorded, before they are reached, on another device."""
    X = square()
    start, end, plain = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True), torch.cuda.Event()
    with pytest.raises(ValueError, match=r"^Both events must be created with argument 'enable_timing=True'\.$"):
        start.elapsed_time(plain)
    with pytest.raises(ValueError, match=r"^Both events must be recorded before calculating elapsed time\.$"):
        start.elapsed_time(end)
    start.record()
    X @ X
    end.record()
    with pytest.raises(RuntimeError, match=r"^Both events must be completed before calculating elapsed time\.$"):
        start.elapsed_time(end)
    with pytest.raises(RuntimeError, match=r"^Event device 0 does not match recording stream's device 1\.$"):
        start.record(torch.cuda.current_stream(GPU1))
    assert repr(start) == "<torch.cuda.Event on cuda:0 (pretended)>"


# Streams.


def test_a_pinned_copy_goes_on_beside_computing(machine):
    """In a stream of its own it takes no time of the device's; from memory that is not pinned, the host's."""
    X, source, side = square(), torch.ones(1000, 1000).pin_memory(), torch.cuda.Stream()
    start = machine.elapsed_seconds
    X @ X
    with torch.cuda.stream(side):
        there = source.to(GPU0, non_blocking=True)
    torch.cuda.current_stream().wait_stream(side)
    there @ there
    (first, second), (copy,) = bars(machine, "cuda:0"), bars(machine, "copy cpu→cuda:0")

    assert first == pytest.approx((start, start + MM))
    assert copy == pytest.approx((start, start + BUS))
    assert second[0] == max(first[1], copy[1])


def test_a_copy_in_the_stream_of_the_computing_waits_for_it(machine):
    """Without a stream of its own it comes after the kernels that were launched before it."""
    X, source = square(), torch.ones(1000, 1000).pin_memory()
    X @ X
    source.to(GPU0, non_blocking=True)

    assert bars(machine, "copy cpu→cuda:0")[0][0] == bars(machine, "cuda:0")[0][1]


def test_one_copy_each_way_at_a_time(machine):
    """Two copies to a device share its bus, one that leaves it has a way of its own."""
    source, there = torch.ones(1000, 1000).pin_memory(), torch.ones(1000, 1000, device=GPU0)
    torch.cuda.synchronize()
    start = machine.elapsed_seconds
    for _ in range(2):
        with torch.cuda.stream(torch.cuda.Stream()):
            source.to(GPU0, non_blocking=True)
    with torch.cuda.stream(torch.cuda.Stream()):
        there.to("cpu", non_blocking=True)
    up, (down,) = bars(machine, "copy cpu→cuda:0"), bars(machine, "copy cuda:0→cpu")

    assert up == [pytest.approx((start, start + BUS)), pytest.approx((start + BUS, start + 2 * BUS))]
    assert down == pytest.approx((start, start + BUS))


def test_two_streams_share_the_card(machine):
    """A large product fills the card: two of them in two streams take as long as in one."""
    X = square()
    start, streams = machine.elapsed_seconds, [torch.cuda.Stream(), torch.cuda.Stream()]
    for stream in streams:
        with torch.cuda.stream(stream):
            X @ X
    torch.cuda.synchronize()

    assert machine.elapsed_seconds - start == pytest.approx(2 * MM)
    assert {e.lane for e in machine.timeline if e.name == "mm"} == {"cuda:0 stream 1", "cuda:0 stream 2"}


def test_a_stream_that_waits_leaves_the_card_to_others(machine):
    """What was launched later and may begin earlier does."""
    X, source, side = square(), torch.ones(1000, 1000).pin_memory(), torch.cuda.Stream()
    start = machine.elapsed_seconds
    with torch.cuda.stream(side):
        source.to(GPU0, non_blocking=True)
        X @ X  # after the copy
    X @ X  # launched later, in the default stream

    assert MM < BUS
    assert bars(machine, "cuda:0 stream 1") == [pytest.approx((start + BUS, start + BUS + MM))]
    assert bars(machine, "cuda:0") == [pytest.approx((start, start + MM))]


def test_a_stream_waits_for_an_event_of_another(machine):
    """And only for that: what the other stream was given after it holds nobody."""
    X, source, side = square(), torch.ones(1000, 1000).pin_memory(), torch.cuda.Stream()
    X @ X
    ready = torch.cuda.current_stream().record_event()
    X @ X
    side.wait_event(ready)
    with side:
        source.to(GPU0, non_blocking=True)

    assert bars(machine, "copy cpu→cuda:0")[0][0] == bars(machine, "cuda:0")[0][1]


def test_synchronizing_a_stream_waits_for_it_alone(machine):
    """A device that has more to do goes on; ``torch.cuda.synchronize`` waits for all of it."""
    X, side = square(), torch.cuda.Stream()
    X @ X
    with side:
        X @ X
    torch.cuda.default_stream().synchronize()
    first = machine.elapsed_seconds
    side_is_busy = not side.query()
    torch.cuda.synchronize()

    assert first == bars(machine, "cuda:0")[0][1]
    assert side_is_busy
    assert machine.elapsed_seconds == bars(machine, "cuda:0 stream 1")[0][1]
    assert side.query()


def test_reading_a_value_waits_for_the_current_stream(machine):
    """``item`` copies in the stream that is current, which comes after what that stream was given."""
    X, side = square(), torch.cuda.Stream()
    with side:
        Y = X @ X
        Y[0, 0].item()

    assert machine.elapsed_seconds > bars(machine, "cuda:0 stream 1")[0][1]


def test_streams_tell_what_they_are(machine):
    """Kinds, devices, equality, the repr: as torch's own."""
    stream, other = torch.cuda.Stream(), torch.cuda.Stream("cuda:1", priority=-1)

    assert isinstance(stream, torch.cuda.Stream)
    assert isinstance(stream, torch.Stream)
    assert isinstance(stream.record_event(), torch.cuda.Event)
    assert (stream.device, other.device, other.priority) == (GPU0, GPU1, -1)
    assert torch.cuda.current_stream() == torch.cuda.default_stream() != stream
    assert len({stream, other, torch.cuda.default_stream()}) == 3
    assert repr(stream) == "<torch.cuda.Stream device=cuda:0 cuda_stream=0x1>"


@pytest.mark.parametrize("enter", [torch.cuda.stream, lambda stream: stream])
def test_streams_nest_and_are_left_again(machine, enter):
    """A stream of another device makes that device current, and the block gives back what was before."""
    first, second = torch.cuda.Stream(), torch.cuda.Stream(GPU1)
    with enter(first):
        with enter(second):
            inside = torch.cuda.current_device(), torch.cuda.current_stream()
        between = torch.cuda.current_device(), torch.cuda.current_stream(), torch.cuda.current_stream(GPU1)

    assert inside == (1, second)
    assert between == (0, first, torch.cuda.default_stream(GPU1))
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


def test_set_stream_stays(machine):
    """Without a block the stream is current until another is set; None changes nothing."""
    stream = torch.cuda.Stream(GPU1)
    torch.cuda.set_stream(stream)
    torch.cuda.set_stream(None)

    assert (torch.cuda.current_device(), torch.cuda.current_stream()) == (1, stream)


def test_the_thirty_third_stream_is_the_first(machine):
    """As in PyTorch, which has so many for a device and gives them out in turn."""
    streams = [torch.cuda.Stream() for _ in range(33)]

    assert len(set(streams)) == 32
    assert streams[32] == streams[0]


def test_a_stream_of_another_machine_is_refused(machine):
    """Its clock is another one."""
    stream = torch.cuda.Stream()
    with pretend_gpus(1), pytest.raises(TypeError, match="stream must be one that was made on this pretended machine"):
        torch.cuda.set_stream(stream)


def test_a_device_that_is_not_there_has_no_stream(machine):
    """The error is that of every call that names it."""
    with pytest.raises(RuntimeError, match="invalid device ordinal: cuda:2"):
        torch.cuda.Stream("cuda:2")


def test_a_stream_of_another_library_is_refused(machine):
    """There is none that its handle could mean."""
    with pytest.raises(NotImplementedError, match="is not covered by pretend_gpus: make a stream with"):
        torch.cuda.ExternalStream(7, device=GPU0)


def test_prefetching_hides_the_copies():
    """The pipeline of the pinned-memory tutorial: while one batch is computed with, the next one is on its way."""

    def epoch(*, ahead):
        with pretend_gpus(1, host=HASTE) as machine:
            W = torch.ones(1000, 1000, device=GPU0)
            batches = [torch.full((1000, 1000), float(i)).pin_memory() for i in range(8)]
            torch.cuda.synchronize()
            start, side, totals = machine.elapsed_seconds, torch.cuda.Stream(), []
            for batch in batches:
                with torch.cuda.stream(side if ahead else None):
                    X = batch.to(GPU0, non_blocking=True)
                torch.cuda.current_stream().wait_stream(side)
                X.record_stream(torch.cuda.current_stream())
                totals.append((X @ W).mean())
            numbers = torch.stack(totals).tolist()
            return machine.elapsed_seconds - start, numbers

    (plain, numbers), (ahead, same) = epoch(ahead=False), epoch(ahead=True)

    assert numbers == same == pytest.approx([1e3 * i for i in range(8)])
    assert plain - ahead == pytest.approx(7 * min(BUS, 2 * 1000**3 / 19.5e12), rel=0.05)


def test_streams_are_lanes_of_the_figure(machine):
    """Each stream has a lane beside its device's."""
    X = square()
    with torch.cuda.Stream():
        X @ X

    lanes = [label.get_text() for label in plot_timeline(machine, ax=Figure().subplots()).get_yticklabels()]
    assert lanes == ["host", "cuda:0", "cuda:0 stream 1"]


def test_many_kernels_are_forgotten_when_they_are_over():
    """A long program keeps no list of all that its device ever did, but for the timeline."""
    with pretend_gpus(1) as machine:
        x = torch.ones(1, device=GPU0)
        for _ in range(3000):
            x.add_(1)

    (engine,) = machine.ledger.clock._engines.values()
    assert len(engine._busy) <= 1001


STEPS = st.tuples(st.integers(0, 3), st.sampled_from(["mm", "add", "up", "down", "wait", "read"]), st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_any_program_keeps_its_orders(steps):
    """Random programs on four streams: no part of the device does two things at once.

    All is done neither sooner than the longest of it, nor later than one thing after the other.
    """
    with pretend_gpus(1) as machine:
        X, source = square(), torch.ones(300, 300).pin_memory()
        streams = [torch.cuda.default_stream(), *(torch.cuda.Stream() for _ in range(3))]
        begin = len(machine.timeline)
        start = machine.elapsed_seconds
        for number, step, other in steps:
            with torch.cuda.stream(streams[number]):
                before = machine.ledger.clock.free_seconds(streams[number].queue)
                {
                    "mm": lambda: X @ X,
                    "add": lambda: X + X,
                    "up": lambda: source.to(GPU0, non_blocking=True),
                    "down": lambda: X.to("cpu", non_blocking=True),
                    "wait": lambda other=other: torch.cuda.current_stream().wait_stream(streams[other]),
                    "read": lambda: X[0, 0].item(),
                }[step]()
                after = machine.ledger.clock.free_seconds(streams[number].queue)
                assert after >= before
                if step == "wait":
                    assert after >= machine.ledger.clock.free_seconds(streams[other].queue)
        torch.cuda.synchronize()
        spent = machine.elapsed_seconds - start

    events = machine.timeline[begin:]
    for part in ("host", "cuda:0", "copy cpu→cuda:0", "copy cuda:0→cpu"):
        bars = sorted((e.start_seconds, e.end_seconds) for e in events if e.lane.split(" stream")[0] == part)
        assert all(one[1] <= other[0] + 1e-12 for one, other in itertools.pairwise(bars))
    lengths = [e.end_seconds - e.start_seconds for e in events if not e.name.startswith("wait")]
    assert max(lengths, default=0) - 1e-12 <= spent <= sum(lengths) + 1e-12
