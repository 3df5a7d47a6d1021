"""Allocator: how PyTorch's caching allocator hands out the memory of one device, block by block.

It takes segments from the device and keeps them: what a program frees is cached, and given out again. Sizes are rounded
up to 512 bytes. Requests of 1 MiB or less share segments of 2 MiB; larger ones are cut from segments of 20 MiB, and
from 10 MiB on have a segment of their own, rounded up to 2 MiB. A request gets the smallest cached block that is large
enough; what is left of it is split off if it is worth it, and neighbours that are free grow together again.

Source:
    PyTorch, ``c10/cuda/CUDACachingAllocator.cpp``, with its default settings. What is left out: expandable segments,
    the pools of further streams and of CUDA graphs, and all that the driver and the libraries allocate for themselves.
"""

import bisect
from collections import Counter
from dataclasses import dataclass

__all__ = ["Block", "CachingAllocator", "OutOfMemory"]

_ROUND, _MIB = 512, 1 << 20
_SMALL, _SMALL_SEGMENT, _LARGE_SEGMENT, _OWN_SEGMENT, _ROUND_SEGMENT = _MIB, 2 * _MIB, 20 * _MIB, 10 * _MIB, 2 * _MIB


@dataclass(eq=False)
class Block:
    """A piece of a segment.

    Attributes:
        address: where it begins; a number that orders blocks, as addresses do.
        nbytes: its size.
        requested: what was asked for; 0 while it is free.
        is_small: whether it is in the pool of small blocks.
        previous: the block before it in its segment.
        next: the block after it.
    """

    address: int
    nbytes: int
    is_small: bool
    requested: int = 0
    previous: "Block | None" = None
    next: "Block | None" = None

    @property
    def is_whole_segment(self) -> bool:
        """Whether nothing was split off its segment."""
        return self.previous is None and self.next is None


class OutOfMemory(Exception):  # noqa: N818  # the machine turns it into torch's own error
    """The device has no memory left for a request."""


class CachingAllocator:
    """The allocator of one device.

    Args:
        capacity_bytes: the size of the device's memory.

    Attributes:
        capacity_bytes: the size of the device's memory.
        current: what is allocated, requested and reserved now, in bytes, and in how many blocks and segments.
        peak: the most of each since the last reset.
        allocated: how much of each was ever taken.
        freed: how much of each was ever given back.

    Example:
        >>> allocator = CachingAllocator(40 * 10**9)
        >>> block = allocator.allocate(513)
        >>> allocator.current["allocated_bytes"], allocator.current["reserved_bytes"]
        (1024, 2097152)
        >>> allocator.free(block)
        >>> allocator.current["allocated_bytes"], allocator.peak["allocated_bytes"]
        (0, 1024)
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self.current, self.peak = Counter[str](), Counter[str]()
        self.allocated, self.freed = Counter[str](), Counter[str]()
        self._cached: dict[bool, list[tuple[int, int, Block]]] = {True: [], False: []}
        self._end = 0

    def allocate(self, nbytes: int) -> Block:
        """Hand out a block for so many bytes.

        Raises:
            OutOfMemory: if the device has not so much left, whatever is cached.
        """
        wanted = max(_ROUND, -(-nbytes // _ROUND) * _ROUND)
        is_small = wanted <= _SMALL
        block = self._take_cached(wanted, is_small=is_small) or self._new_segment(wanted, is_small=is_small)
        rest = block.nbytes - wanted
        if rest >= _ROUND if is_small else rest > _SMALL:
            self._split(block, wanted)
        block.requested = max(nbytes, 1)
        self._count(allocation=1, allocated_bytes=block.nbytes, requested_bytes=nbytes)
        return block

    def free(self, block: Block) -> None:
        """Take a block back: it is cached, and joined with neighbours that are free."""
        self._count(allocation=-1, allocated_bytes=-block.nbytes, requested_bytes=-block.requested)
        block.requested = 0
        if block.previous is not None and not block.previous.requested:
            block = self._join(block.previous, block)
        if block.next is not None and not block.next.requested:
            block = self._join(block, block.next)
        bisect.insort(self._cached[block.is_small], (block.nbytes, block.address, block))

    def release_cached(self) -> None:
        """Give cached segments of which nothing is in use back to the device, as ``torch.cuda.empty_cache`` does."""
        for is_small, blocks in self._cached.items():
            whole = [entry for entry in blocks if entry[2].is_whole_segment]
            self._cached[is_small] = [entry for entry in blocks if not entry[2].is_whole_segment]
            for nbytes, _, _ in whole:
                self._count(segment=-1, reserved_bytes=-nbytes)

    def reset_peaks(self) -> None:
        """Let the peaks begin anew at what is current."""
        self.peak = Counter(self.current)

    def _take_cached(self, wanted: int, *, is_small: bool) -> Block | None:
        blocks = self._cached[is_small]
        place = bisect.bisect_left(blocks, (wanted, -1))
        return blocks.pop(place)[2] if place < len(blocks) else None

    def _new_segment(self, wanted: int, *, is_small: bool) -> Block:
        if is_small:
            nbytes = _SMALL_SEGMENT
        elif wanted < _OWN_SEGMENT:
            nbytes = _LARGE_SEGMENT
        else:
            nbytes = -(-wanted // _ROUND_SEGMENT) * _ROUND_SEGMENT
        if self.current["reserved_bytes"] + nbytes > self.capacity_bytes:
            self.release_cached()
        if self.current["reserved_bytes"] + nbytes > self.capacity_bytes:
            raise OutOfMemory
        self._count(segment=1, reserved_bytes=nbytes)
        block = Block(self._end, nbytes, is_small)
        self._end += nbytes
        return block

    def _split(self, block: Block, nbytes: int) -> None:
        rest = Block(block.address + nbytes, block.nbytes - nbytes, block.is_small, previous=block, next=block.next)
        if block.next is not None:
            block.next.previous = rest
        block.next, block.nbytes = rest, nbytes
        bisect.insort(self._cached[rest.is_small], (rest.nbytes, rest.address, rest))

    def _join(self, first: Block, second: Block) -> Block:
        for block in (first, second):
            entry = (block.nbytes, block.address, block)
            blocks = self._cached[block.is_small]
            place = bisect.bisect_left(blocks, entry[:2])
            if place < len(blocks) and blocks[place][2] is block:
                del blocks[place]
        first.nbytes += second.nbytes
        first.next = second.next
        if second.next is not None:
            second.next.previous = first
        return first

    def _count(self, **changes: int) -> None:
        for name, change in changes.items():
            self.current[name] += change
            if change > 0:
                self.allocated[name] += change
                self.peak[name] = max(self.peak[name], self.current[name])
            else:
                self.freed[name] -= change
