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
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch

from .usage import PoolUsage, Usage

__all__ = ["Allocation", "CachingAllocator"]

_ROUND, _MIB = 512, 1 << 20
_SMALL, _SMALL_SEGMENT, _LARGE_SEGMENT, _OWN_SEGMENT, _ROUND_SEGMENT = _MIB, 2 * _MIB, 20 * _MIB, 10 * _MIB, 2 * _MIB


@dataclass(eq=False, slots=True)
class _Block:
    """A piece of a segment.

    Attributes:
        address: where it begins; a number that orders blocks, as addresses do.
        nbytes: its size.
        is_small: whether it is in the pool of small blocks.
        requested: what was asked for; 0 while it is free.
        previous: the block before it in its segment.
        next: the block after it.
    """

    address: int
    nbytes: int
    is_small: bool
    requested: int = 0
    previous: "_Block | None" = None
    next: "_Block | None" = None

    @property
    def is_whole_segment(self) -> bool:
        """Whether nothing was split off its segment."""
        return self.previous is None and self.next is None


class Allocation:
    """Memory that is handed out. When nobody holds this any longer, the memory is free again.

    Args:
        allocator: who handed it out.
        block: where it is; None for no bytes.
        nbytes: what was asked for.

    Attributes:
        device: the device that has it.
    """

    __slots__ = ("_allocator", "_block", "device", "nbytes")

    def __init__(self, allocator: "CachingAllocator", block: _Block | None, nbytes: int) -> None:
        self._allocator, self._block, self.device, self.nbytes = allocator, block, allocator.device, nbytes

    def __del__(self) -> None:
        if self._block is not None:
            self._allocator.returned.append(self._block)


class CachingAllocator:
    """The allocator of one device.

    Args:
        device: the device.
        capacity_bytes: the size of its memory.

    Attributes:
        returned: blocks that nobody holds any longer. They are freed at the next call: the garbage collector may hand
            one in at any moment, also in the middle of one.

    Example:
        >>> allocator = CachingAllocator(torch.device("cuda:0"), 40 * 10**9)
        >>> allocation = allocator.allocate(513)
        >>> allocator.stats()["allocated_bytes"]["all"]["current"], allocator.reserved_bytes
        (1024, 2097152)
        >>> del allocation
        >>> allocator.stats()["allocated_bytes"]["all"]
        {'current': 0, 'peak': 1024, 'allocated': 1024, 'freed': 1024}
    """

    def __init__(self, device: torch.device, capacity_bytes: int) -> None:
        self.device, self.capacity_bytes = device, capacity_bytes
        self.returned: deque[_Block] = deque()
        self._allocations, self._allocated, self._requested = Usage(), Usage(), Usage()
        self._segments, self._reserved = Usage(), Usage()
        self._splits, self._split_bytes = Usage(), Usage()  # free blocks that share their segment with others
        self._stats = {
            "allocation": self._allocations,
            "segment": self._segments,
            "inactive_split": self._splits,
            "allocated_bytes": self._allocated,
            "requested_bytes": self._requested,
            "reserved_bytes": self._reserved,
            "inactive_split_bytes": self._split_bytes,
        }
        self._more_splits = self._more_split_bytes = 0  # by how much the call under way has changed both
        self._cached: dict[bool, list[tuple[int, int, _Block]]] = {True: [], False: []}
        self._end = 0
        self._retries = self._failures = 0

    @property
    def reserved_bytes(self) -> int:
        """The bytes that it has taken from the device, in use or cached."""
        return self._reserved.current

    def allocate(self, nbytes: int) -> Allocation:
        """Hand out memory for so many bytes.

        Raises:
            torch.OutOfMemoryError: if the device has not so much left, whatever is cached; in PyTorch's words.
        """
        self._take_back()
        if not nbytes:
            return Allocation(self, None, 0)
        wanted = -(-nbytes // _ROUND) * _ROUND
        is_small = wanted <= _SMALL
        block = self._take_cached(wanted, is_small=is_small) or self._new_segment(wanted, is_small=is_small)
        rest = block.nbytes - wanted
        if rest >= _ROUND if is_small else rest > _SMALL:
            self._split(block, wanted)
        block.requested = nbytes
        self._count_splits(is_small)
        self._allocations.add(is_small, 1)
        self._allocated.add(is_small, block.nbytes)
        self._requested.add(is_small, nbytes)
        return Allocation(self, block, nbytes)

    def release_cached(self) -> None:
        """Give cached segments of which nothing is in use back to the device, as ``torch.cuda.empty_cache`` does."""
        self._take_back()
        for is_small, blocks in self._cached.items():
            whole = [entry for entry in blocks if entry[2].is_whole_segment]
            self._cached[is_small] = [entry for entry in blocks if not entry[2].is_whole_segment]
            for nbytes, _, _ in whole:
                self._segments.add(is_small, -1)
                self._reserved.add(is_small, -nbytes)

    def reset_peaks(self) -> None:
        """Let the peaks begin anew at what is current."""
        self._take_back()
        for stats in self._stats.values():
            stats.small.peak, stats.large.peak = stats.small.current, stats.large.current
            stats.peak = stats.current

    def reset_sums(self) -> None:
        """Let what was ever taken and given back begin anew at nothing."""
        self._take_back()
        self._retries = self._failures = 0
        for stats in self._stats.values():
            for stat in (stats.small, stats.large):
                stat.allocated, stat.at_reset = 0, stat.current

    def stats(self) -> dict[str, Any]:
        """Return ``torch.cuda.memory_stats_as_nested_dict``: kind → pool → current, peak, allocated, freed."""
        self._take_back()
        told: dict[str, Any] = {name: stats.rows() for name, stats in self._stats.items()}
        told["active"], told["active_bytes"] = told["allocation"], told["allocated_bytes"]
        none = PoolUsage().row()
        told |= {"oversize_allocations": none, "oversize_segments": none, "max_split_size": -1}
        segments = told["segment"]["all"]
        return told | {
            "num_alloc_retries": self._retries,
            "num_ooms": self._failures,
            "num_sync_all_streams": 0,
            "num_device_alloc": segments["allocated"],
            "num_device_free": segments["freed"],
        }

    def _take_back(self) -> None:
        while self.returned:
            self._free(self.returned.popleft())

    def _free(self, block: _Block) -> None:
        is_small = block.is_small
        self._allocations.add(is_small, -1)
        self._allocated.add(is_small, -block.nbytes)
        self._requested.add(is_small, -block.requested)
        block.requested = 0
        if block.previous is not None and not block.previous.requested:
            self._uncache(block.previous)
            block = _joined(block.previous, block)
        if block.next is not None and not block.next.requested:
            self._uncache(block.next)
            block = _joined(block, block.next)
        self._cache(block)
        self._count_splits(is_small)

    def _cache(self, block: _Block) -> None:
        bisect.insort(self._cached[block.is_small], (block.nbytes, block.address, block))
        self._note_split(block, 1)

    def _uncache(self, block: _Block) -> None:
        blocks = self._cached[block.is_small]
        del blocks[bisect.bisect_left(blocks, (block.nbytes, block.address))]
        self._note_split(block, -1)

    def _take_cached(self, wanted: int, *, is_small: bool) -> _Block | None:
        blocks = self._cached[is_small]
        place = bisect.bisect_left(blocks, (wanted, -1))
        if place == len(blocks):
            return None
        block = blocks.pop(place)[2]
        self._note_split(block, -1)
        return block

    def _new_segment(self, wanted: int, *, is_small: bool) -> _Block:
        if is_small:
            nbytes = _SMALL_SEGMENT
        elif wanted < _OWN_SEGMENT:
            nbytes = _LARGE_SEGMENT
        else:
            nbytes = -(-wanted // _ROUND_SEGMENT) * _ROUND_SEGMENT
        if self.reserved_bytes + nbytes > self.capacity_bytes:
            self._retries += 1
            self.release_cached()
        if self.reserved_bytes + nbytes > self.capacity_bytes:
            self._failures += 1
            raise torch.OutOfMemoryError(self._words(nbytes))
        self._segments.add(is_small, 1)
        self._reserved.add(is_small, nbytes)
        block = _Block(self._end, nbytes, is_small)
        self._end += nbytes
        return block

    def _split(self, block: _Block, nbytes: int) -> None:
        rest = _Block(block.address + nbytes, block.nbytes - nbytes, block.is_small, previous=block, next=block.next)
        if block.next is not None:
            block.next.previous = rest
        block.next, block.nbytes = rest, nbytes
        self._cache(rest)

    def _note_split(self, block: _Block, sign: int) -> None:
        """Note a cached block that cannot be given back to the device, since it is not a whole segment."""
        if block.previous is not None or block.next is not None:
            self._more_splits += sign
            self._more_split_bytes += sign * block.nbytes

    def _count_splits(self, is_small: bool) -> None:
        """Count what a whole call has changed, as PyTorch does, not each of its steps."""
        if self._more_splits:
            self._splits.add(is_small, self._more_splits)
        if self._more_split_bytes:
            self._split_bytes.add(is_small, self._more_split_bytes)
        self._more_splits = self._more_split_bytes = 0

    def _words(self, nbytes: int) -> str:
        allocated = self._allocated.current
        reserved = self.reserved_bytes
        return (
            f"CUDA out of memory. Tried to allocate {_told(nbytes)}. GPU {self.device.index} has a total capacity of "
            f"{_told(self.capacity_bytes)} of which {_told(self.capacity_bytes - reserved)} is free. Including "
            f"non-PyTorch memory, this process has {_told(reserved)} memory in use. Of the allocated memory "
            f"{_told(allocated)} is allocated by PyTorch, and {_told(reserved - allocated)} is reserved by PyTorch but "
            "unallocated. If reserved but unallocated memory is large try setting "
            "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.  See documentation for Memory "
            "Management  (https://docs.pytorch.org/docs/stable/notes/cuda.html"
            "#optimizing-memory-usage-with-pytorch-cuda-alloc-conf)"
        )


def _joined(first: _Block, second: _Block) -> _Block:
    """Make one block of two neighbours."""
    first.nbytes += second.nbytes
    first.next = second.next
    if second.next is not None:
        second.next.previous = first
    return first


def _told(nbytes: int) -> str:
    """Say a size as PyTorch's errors do.

    Example:
        >>> _told(1024), _told(1 << 20), _told((1 << 20) + 1), _told(3 << 30)
        ('1024 bytes', '1024.00 KiB', '1.00 MiB', '3.00 GiB')
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes > size:
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} bytes"
