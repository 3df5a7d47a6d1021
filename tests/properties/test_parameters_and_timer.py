"""Properties of the parameter table and of the timer."""

import math
from unittest import mock

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch import nn

from d2lcompute import Timer, timing
from d2lcompute.parameters import count_parameters, parameter_table, tied_groups
from tests.properties.properties_support import checked, counter_example


@st.composite
def trees(draw):
    """Draw a tree with ties, shared blocks, buffers, a parameter of no elements, and lazy parameters."""
    parameters = [nn.Parameter(torch.zeros(size), requires_grad=draw(st.booleans())) for size in (0, 2, 3, 3)]
    lazy = [nn.UninitializedParameter(requires_grad=draw(st.booleans())) for _ in range(draw(st.integers(0, 2)))]
    made = []

    def grow(levels):
        module = nn.Module()
        for i in range(draw(st.integers(0, 3))):
            module.register_parameter(f"p{i}", draw(st.sampled_from([None, *parameters, *lazy])))
        module.register_buffer("running", torch.zeros(draw(st.integers(0, 5))), persistent=draw(st.booleans()))
        for i in range(draw(st.integers(0, 2)) if levels else 0):
            again = draw(st.sampled_from(made)) if made and draw(st.booleans()) else None
            module.register_module(f"m{i}", again or grow(levels - 1))
        made.append(module)
        return module

    return grow(3)


def brute_force(net):
    """Walk every path of a tree; return each parameter's names, and the elements of all and of the trainable ones."""
    found = []

    def walk(module, prefix):
        found.extend((prefix + name, p) for name, p in module._parameters.items() if p is not None)
        for name, child in module._modules.items():
            walk(child, f"{prefix}{name}.")

    walk(net, "")
    once = [p for i, (_, p) in enumerate(found) if all(p is not other for _, other in found[:i])]
    names = [[name for name, other in found if other is p] for p in once]
    counts = [
        None if any(nn.parameter.is_lazy(p) for p in chosen) else sum(math.prod(p.shape) for p in chosen)
        for chosen in (once, [p for p in once if p.requires_grad])
    ]
    return found, [tuple(group) for group in names if len(group) > 1], counts


def count_or_none(net, **options):
    """Return the count, or None where it is refused because a lazy layer has seen no data."""
    try:
        return count_parameters(net, **options)
    except ValueError:
        return None


WRONG_COUNTS = {
    "each name": lambda net: sum(p.numel() for _, p in net.named_parameters(remove_duplicate=False)),
    "with buffers": lambda net: sum(t.numel() for t in [*net.parameters(), *net.buffers()]),
    "state_dict": lambda net: sum(t.numel() for t in net.state_dict().values()),
    "by shape": lambda net: sum(math.prod(shape) for shape in {tuple(p.shape) for p in net.parameters()}),
    "lazy as 0": lambda net: sum(0 if nn.parameter.is_lazy(p) else p.numel() for p in net.parameters()),
}


@checked
@hypothesis.given(trees())
def test_parameters_functions_agree_with_brute_force_on_trees_with_lazy_layers_and_buffers(net):
    """Table, counts and groups are those of walking every path; buffers never count, lazy parameters are never 0."""
    found, groups, (count, trainable) = brute_force(net)

    table = parameter_table(net)

    assert [row.name for row in table] == [name for name, _ in found]
    shapes = [None if nn.parameter.is_lazy(p) else tuple(p.shape) for _, p in found]
    assert [row.shape for row in table] == shapes
    assert [row.initialized for row in table] == [shape is not None for shape in shapes]
    assert [row.trainable for row in table] == [p.requires_grad for _, p in found]
    assert tied_groups(net) == groups
    assert (count_or_none(net), count_or_none(net, trainable_only=True)) == (count, trainable)


@pytest.mark.parametrize("wrong", WRONG_COUNTS)
def test_parameters_property_rejects_wrong_counts(wrong):
    """The random trees hold one against each plausible wrong way to count."""

    def differs(net):
        try:
            return WRONG_COUNTS[wrong](net) != brute_force(net)[2][0]
        except (RuntimeError, ValueError):
            return False  # a refusal is no wrong count

    assert differs(counter_example(trees(), differs))


ACTIONS = ["start", "stop", "with", "with error", "stop inside"]


timings = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 40)), max_size=12)


def expected_laps(sequence):
    """Follow a stopwatch on paper: the laps in eighths of a second, and how many calls it must refuse."""
    now, started, laps, refused = 0, 0, [], 0
    for action, eighths in sequence:
        now += eighths
        if action == "start":
            started = now
        elif action == "with":
            laps.append(eighths)
            now, started = now + eighths, None
        elif action == "with error":
            now, started = now + eighths, None
        elif action == "stop inside":
            laps.append(0)
            refused, started = refused + 1, None
        elif started is None:
            refused += 1
        else:
            laps.append(now - started)
            started = None
    return [lap / 8 for lap in laps], refused


class Clock:
    """A clock that stands still until it is told to go on."""

    now = 1000.0

    def __call__(self):
        return self.now


def measured_laps(kind, sequence):
    """Let a timer measure the same with a clock that the test sets; return its laps and how often it refused."""
    clock, refused = Clock(), 0
    with mock.patch.object(timing, "clock_seconds", clock):
        timer = kind()
        for action, eighths in sequence:
            clock.now += eighths / 8
            try:
                if action in ("start", "stop"):
                    getattr(timer, action)()
                    continue
                with timer:
                    clock.now += 0 if action == "stop inside" else eighths / 8
                    if action == "with error":
                        raise KeyError
                    if action == "stop inside":
                        timer.stop()
            except RuntimeError:
                refused += 1
            except KeyError:
                pass
    return timer.times, refused


class NeverRestarted(Timer):
    def start(self):
        if getattr(self, "_started", None) is None:
            super().start()


class KeepsRunning(Timer):
    def stop(self):
        started = self._started
        lap = super().stop()
        self._started = started
        return lap


class CountsFailures(Timer):
    def __exit__(self, *error):
        self.stop()


class StartsStopped(Timer):
    def __init__(self):
        super().__init__()
        self._started = None


@checked
@hypothesis.given(timings)
def test_timer_agrees_with_a_stopwatch_on_paper(sequence):
    """After any sequence of starts, stops and blocks, laps, sums, averages and refusals are the ones on paper."""
    laps, refused = expected_laps(sequence)

    assert measured_laps(Timer, sequence) == (laps, refused)


@checked
@hypothesis.given(st.lists(st.integers(0, 2**20), min_size=1, max_size=20))
def test_timer_statistics_agree_with_numpy(eighths):
    """Sum, average and cumulative sums are numpy's, exactly, for laps that floats hold exactly."""
    laps = np.array(eighths) / 8
    timer = Timer()
    timer.times = laps.tolist()

    assert (timer.sum(), timer.avg(), timer.cumsum()) == (laps.sum(), laps.sum() / len(laps), laps.cumsum().tolist())


@pytest.mark.parametrize("wrong", [NeverRestarted, KeepsRunning, CountsFailures, StartsStopped])
def test_timer_property_rejects_wrong_timers(wrong):
    """The random sequences hold one against each plausible wrong timer."""
    assert counter_example(timings, lambda sequence: measured_laps(wrong, sequence) != expected_laps(sequence))
