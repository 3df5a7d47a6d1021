"""Usage: how much there is of something in an allocator's two pools, the most there was, and what came and went."""

from dataclasses import dataclass

__all__ = ["PoolUsage", "Usage"]


@dataclass(slots=True)
class PoolUsage:
    """How much there is of something in one pool.

    Attributes:
        current: how much there is.
        peak: the most there was.
        allocated: how much was ever taken, since the sums were reset.
        at_reset: how much there was then; what was given back follows.
    """

    current: int = 0
    peak: int = 0
    allocated: int = 0
    at_reset: int = 0

    def row(self) -> dict[str, int]:
        """Return it as PyTorch tells it."""
        freed = self.at_reset + self.allocated - self.current
        return {"current": self.current, "peak": self.peak, "allocated": self.allocated, "freed": freed}


class Usage:
    """How much there is of something in both pools; kept for each allocation, so with little ado."""

    __slots__ = ("large", "peak", "small")

    def __init__(self) -> None:
        self.small, self.large, self.peak = PoolUsage(), PoolUsage(), 0

    @property
    def current(self) -> int:
        """How much there is in both."""
        return self.small.current + self.large.current

    def add(self, is_small: bool, change: int) -> None:
        """Count what a pool has more, or less."""
        stat = self.small if is_small else self.large
        stat.current += change
        if change > 0:
            stat.allocated += change
            if stat.current > stat.peak:
                stat.peak = stat.current
            both = self.small.current + self.large.current
            if both > self.peak:
                self.peak = both

    def rows(self) -> dict[str, dict[str, int]]:
        """Return the row of both pools together, and of each."""
        small, large = self.small.row(), self.large.row()
        both = {key: small[key] + large[key] for key in small} | {"peak": self.peak}
        return {"all": both, "large_pool": large, "small_pool": small}
