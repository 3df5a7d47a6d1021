"""Comparing: two contestants that take turns, so that a busy moment hits both."""

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "compare", "duration", "ratio"]

Contestant = Callable[[], object]
_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@dataclass(frozen=True)
class Comparison:
    """Seconds for one call in each round, of ours and of theirs; round by round the two ran one after the other."""

    ours: list[float]
    theirs: list[float]

    @property
    def ratio(self) -> float:
        """The median over the rounds of ours over theirs."""
        return ratio(self.ours, self.theirs)

    def __str__(self) -> str:
        return f"{duration(statistics.median(self.ours))} against {duration(statistics.median(self.theirs))}"


def compare(
    benchmark: Any,
    ours: Contestant,
    theirs: Contestant,
    *,
    rounds: int,
    warmup_rounds: int = 1,
    block_seconds: float = 0.0,
    before: Contestant = lambda: None,
    around_ours: AbstractContextManager[object] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Time two contestants in turn: theirs, ours, theirs, ours.

    Args:
        benchmark: pytest-benchmark's fixture, which times ours; theirs is timed in what it calls the setup.
        ours: what is ours.
        theirs: what it is held against.
        rounds: how often each has its turn.
        warmup_rounds: how often before that, uncounted.
        block_seconds: how long a turn of theirs lasts at least; both make as many calls a turn.
        before: called before each turn, outside of the time.
        around_ours: entered before our turn and left after it, outside of the time.
        clock: the clock for theirs; pytest-benchmark reads its own, which is the same by default.
    """
    calls = _calls(theirs, block_seconds, clock)
    others: list[float] = []
    around = contextlib.ExitStack()

    def turn_of_theirs() -> None:
        before()
        started = clock()
        _repeat(theirs, calls)
        others.append(clock() - started)
        before()
        if around_ours is not None:
            around.enter_context(around_ours)

    benchmark.pedantic(
        _repeat,
        args=(ours, calls),
        setup=turn_of_theirs,
        teardown=lambda *_: around.close(),
        rounds=rounds,
        warmup_rounds=warmup_rounds,
    )
    own = benchmark.stats.stats.data
    return Comparison([time / calls for time in own], [time / calls for time in others[warmup_rounds:]])


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median over the rounds of ours over theirs; a slow moment that lasts a round falls out of it."""
    return statistics.median(own / other for own, other in zip(ours, theirs, strict=True))


def duration(seconds: float) -> str:
    """Write a time with three digits and the unit that suits it."""
    scale, unit = next(((scale, unit) for scale, unit in _UNITS if seconds >= scale), _UNITS[-1])
    number = seconds / scale
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f} {unit}"


def _repeat(contestant: Contestant, calls: int) -> None:
    for _ in range(calls):
        contestant()


def _calls(contestant: Contestant, block_seconds: float, clock: Callable[[], float]) -> int:
    """Return how many calls last ``block_seconds``, in a power of two."""
    calls = 1
    while block_seconds:
        started = clock()
        _repeat(contestant, calls)
        if clock() - started >= block_seconds:
            break
        calls *= 2
    return calls
