"""Timer and benchmark, with a clock that the test sets."""

import os
import subprocess
import sys
import time

import pytest
import torch

import d2lcompute.timing as timing
from d2lcompute import Measurement, Timer, benchmark, pretend_gpus


class FakeClock:
    """A clock that stands still until it is told to go on, and writes down who asked for what."""

    def __init__(self):
        self.now, self.calls = 100.0, []

    def read(self):
        self.calls.append("clock")
        return self.now

    def synchronize(self, device=None):
        self.calls.append(f"synchronize {device}")


@pytest.fixture
def clock(monkeypatch):
    """Put the fake clock and its synchronize in the place of the real ones."""
    fake = FakeClock()
    monkeypatch.setattr(timing, "clock_seconds", fake.read)
    monkeypatch.setattr(timing, "synchronize", fake.synchronize)
    return fake


def laps(clock, *seconds):
    """Return a timer that was stopped after each of the given seconds."""
    timer = Timer()
    for lap in seconds:
        timer.start()
        clock.now += lap
        timer.stop()
    return timer


def test_timer_records_laps_and_their_statistics(clock):
    """Sum, average and cumulative sums are those of the laps."""
    timer = laps(clock, 1.0, 2.0, 4.5)

    assert timer.times == [1.0, 2.0, 4.5]
    assert timer.sum() == 7.5
    assert timer.avg() == 2.5
    assert timer.cumsum() == [1.0, 3.0, 7.5]


def test_timer_cumsum_has_the_precision_of_the_clock(clock):
    """The running sum is Python's own, in double precision: a nanosecond after a day is not lost."""
    timer = laps(clock, 0.0, 0.0)
    timer.times[:] = [86_400.0, 1e-9]

    assert timer.cumsum() == [86_400.0, 86_400.0 + 1e-9]


def test_timer_starts_when_made(clock):
    """As in the book, a timer runs from the moment it is made, and stop returns the lap."""
    timer = Timer()
    clock.now += 3

    assert timer.stop() == 3


def test_timer_as_context_manager_times_the_block(clock):
    """Each with-block is a lap, and a timer serves more than once."""
    timer = Timer()

    for seconds in (0.25, 0.5):
        with timer as same:
            clock.now += seconds

    assert same is timer
    assert timer.times == [0.25, 0.5]


def test_timer_drops_the_lap_of_a_block_that_raised(clock):
    """A block that failed leaves no lap, and the error passes through."""
    timer = Timer()

    with pytest.raises(KeyError), timer:
        raise KeyError("lost")

    assert timer.times == []
    with pytest.raises(RuntimeError, match="none is running"):
        timer.stop()


def test_timer_waits_for_the_device_before_it_reads_the_clock(clock):
    """Every reading of the clock comes right after a synchronisation of the timer's device."""
    timer = Timer(device="cuda:1")
    timer.stop()

    assert clock.calls == ["synchronize cuda:1", "clock"] * 2


def test_timer_stop_twice_says_what_is_missing(clock):
    """A stop without a start raises a sentence and adds no lap."""
    timer = laps(clock, 1.0)

    with pytest.raises(RuntimeError) as caught:
        timer.stop()

    assert str(caught.value) == ("stop() ends a lap, and none is running: call start() first, once for each stop()")
    assert timer.times == [1.0]


def test_timer_avg_without_laps_raises_a_sentence(clock):
    """The average of no laps is no ZeroDivisionError but an explanation; sum and cumsum are empty."""
    timer = Timer()

    with pytest.raises(RuntimeError) as caught:
        timer.avg()

    assert str(caught.value) == ("avg() is the mean of the laps, and there is none yet: call start() and stop() first")
    assert (timer.sum(), timer.cumsum()) == (0, [])


def test_timer_restart_drops_the_running_lap(clock):
    """A second start begins the lap anew."""
    timer = Timer()
    clock.now += 10
    timer.start()
    clock.now += 1

    assert timer.stop() == 1


def test_timer_repr_tells_laps_and_state(clock):
    """The repr shows how many laps there are, their sum, and whether one is running."""
    timer = laps(clock, 1.5)

    assert repr(timer) == "Timer(laps=1, sum=1.500000 s, stopped)"
    timer.start()
    assert repr(timer) == "Timer(laps=1, sum=1.500000 s, running)"


def test_timer_agrees_with_the_real_clock():
    """Around a real sleep the timer shows at least its length, and no more than a clock around the timer."""
    before = time.perf_counter()
    timer = Timer()
    time.sleep(0.02)
    lap = timer.stop()
    around = time.perf_counter() - before

    assert 0.02 <= lap <= around


def test_benchmark_measures_a_known_duration():
    """A call that sleeps for 2 ms is reported within what the clock around the whole run allows."""
    calls = []

    def work(seconds):
        calls.append(seconds)
        time.sleep(seconds)

    before = time.perf_counter()
    measured = benchmark(work, 0.002, min_run_seconds=0.05)
    around = time.perf_counter() - before

    assert isinstance(measured, Measurement)
    assert 0.002 <= measured.median_seconds <= around / (measured.repeats * measured.calls)
    assert measured.repeats * measured.calls <= len(calls)
    assert set(calls) == {0.002}
    assert measured.device == torch.device("cpu")
    assert measured.iqr_seconds >= 0


def test_benchmark_waits_for_the_device_it_was_given(clock):
    """Every reading of the clock comes right after a synchronisation of the device that was named."""

    def work():
        clock.now += 0.01

    measured = benchmark(work, device="cuda:1", min_run_seconds=0.05)

    assert clock.calls == ["synchronize cuda:1", "clock"] * (len(clock.calls) // 2)
    assert measured.device == torch.device("cuda:1")
    assert measured.median_seconds == pytest.approx(0.01)
    assert measured.repeats * measured.calls >= 5


def test_benchmark_runs_for_a_fifth_of_a_second_by_default(clock):
    """Unless it is told otherwise, the calls that are timed take 0.2 s in all, or little more."""

    def work():
        clock.now += 0.01

    measured = benchmark(work)

    assert 0.2 <= measured.repeats * measured.calls * measured.median_seconds < 0.5


def test_benchmark_on_a_pretended_machine_runs_once():
    """A modelled time is exact, so one call after the warm-up tells it, without noise."""
    with pretend_gpus(1) as machine:
        X = torch.ones(256, 256, device="cuda")
        measured = benchmark(torch.mm, X, X)
        with Timer() as timer:
            X @ X

    products = [event for event in machine.timeline if event.name == "mm"]
    assert (measured.repeats, measured.calls, measured.iqr_seconds) == (1, 1, 0)
    assert measured.median_seconds == pytest.approx(timer.sum())
    assert len(products) < 10


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"fn": 3.0},
            TypeError,
            r"^fn must be something to call, such as a function; got float \(hand over the function itself and its "
            r"arguments, not the result of a call\)$",
        ),
        ({"fn": int, "min_run_seconds": 0}, ValueError, "min_run_seconds must be more than 0; got 0"),
        ({"fn": int, "min_run_seconds": float("nan")}, ValueError, "min_run_seconds must be more than 0; got nan"),
    ],
)
def test_benchmark_says_what_is_wrong(arguments, error, message):
    """A result in the place of a function and a run of no length are named."""
    with pytest.raises(error, match=message):
        benchmark(**arguments)


def test_measurement_prints_unit_and_spread():
    """Printed, a measurement tells median, spread, how often it was repeated, and where."""
    measured = Measurement(1.5e-6, 2e-8, repeats=7, calls=100, device=torch.device("cpu"))

    assert str(measured) == "1.5e-06 s ± 2e-08 s per call (median ± IQR of 7 × 100 calls on cpu)"


def test_benchmark_says_nothing_of_a_toolkit_without_a_gpu():
    """Where torch's import would tell on stderr that a CUDA toolkit meets no GPU, a benchmark stays silent."""
    told = run_beside_a_toolkit("import torch.utils.benchmark")
    silent = run_beside_a_toolkit("from d2lcompute import benchmark; benchmark(int, min_run_seconds=0.01)")

    assert "No CUDA runtime is found" in told
    assert silent == ""


def run_beside_a_toolkit(statement):
    """Run a statement where torch believes that it was built for CUDA and finds a toolkit; return what is on stderr."""
    code = f"""
import torch
torch.cuda._is_compiled, torch.cuda.is_available, torch.version.cuda = lambda: True, lambda: False, "13"
{statement}
"""
    environment = {**os.environ, "CUDA_HOME": os.path.dirname(sys.executable), "D2LCOMPUTE_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stderr
