"""The virtual clock: one host that launches kernels, devices with their queues, one bus."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ..operations import CPU
from .cards import Card, Host

__all__ = ["Clock", "Event", "Queue"]

_STREAMS = 32  # as many as PyTorch makes for a device; the next one is the first again


@dataclass(frozen=True)
class Event:
    """One bar of the timeline.

    Attributes:
        lane: who was busy: ``host``, a device such as ``cuda:0``, one of its further streams such as ``cuda:0 stream
            1``, or a copy such as ``copy cuda:0→cuda:1``.
        name: what it did, such as ``mm``, ``launch mm`` or ``wait for cuda:0``.
        start_seconds: when it began on the virtual clock.
        end_seconds: when it ended.
    """

    lane: str
    name: str
    start_seconds: float
    end_seconds: float


class Queue:
    """A queue of kernels: a device's default stream, which has the number 0, or another of its streams.

    Args:
        device: the device that runs them.
        number: the stream's number.
        engine: what computes on that device.

    Attributes:
        lane: its name on the timeline.
        done_seconds: when it will have done all that it was given.
    """

    def __init__(self, device: torch.device, number: int, engine: "_Engine") -> None:
        self.device, self.number, self.engine = device, number, engine
        self.lane = f"{device} stream {number}" if number else str(device)
        self.done_seconds = 0.0


class Clock:
    """A modelled time that depends on nothing but the program.

    The host launches a kernel in ``host.launch_seconds`` and goes on. Each queue runs its kernels one after the other;
    a device computes one kernel at a time, whichever queue it comes from, for each is taken to fill the card. An
    operation takes the larger of FLOPs over peak and bytes over bandwidth. A copy holds the current queues of both its
    ends; beside a device's computing, one copy can reach it and one leave it at a time. The host waits where a program
    asks for a value, and where it synchronizes.

    Args:
        card: the figures of every device.
        host: the figures of the processor.
    """

    def __init__(self, card: Card, host: Host) -> None:
        self.card, self.host = card, host
        self.host_seconds = 0.0
        self.events: list[Event] = []
        self._queues: dict[tuple[torch.device, int], Queue] = {}
        self._current: dict[torch.device, Queue] = {}
        self._engines: defaultdict[tuple[torch.device, str], _Engine] = defaultdict(_Engine)
        self._ways: dict[tuple[torch.device, torch.device], _Way] = {}
        self._streams = Counter[torch.device]()

    def run(self, device: torch.device, name: str, flops: int, nbytes: int, dtype: torch.dtype) -> None:
        """Put an operation into its device's current queue; the host computes its own at once."""
        if device == CPU:
            seconds = self.host.seconds(flops, nbytes, dtype)
            self._busy_host(name, self.host.call_seconds + seconds)
            return
        self._busy_host(f"launch {name}", self.host.launch_seconds)
        queue = self.current_queue(device)
        self._enqueue(queue.lane, name, (queue,), (queue.engine,), self.card.seconds(flops, nbytes, dtype))

    def copy(self, source: torch.device, target: torch.device, nbytes: int, *, wait: bool) -> None:
        """Send bytes over the bus; with ``wait`` the host goes on only when they have arrived."""
        self._busy_host("launch copy", self.host.launch_seconds)
        self._send(source, target, "copy", nbytes, wait=wait)

    def read(self, device: torch.device, nbytes: int) -> None:
        """Send the values that the host asks a device for; the host waits for them."""
        self._send(device, CPU, "read", nbytes, wait=True)

    def wait(self, device: torch.device) -> None:
        """Let the host wait until a device has emptied all its queues."""
        busy = [queue.done_seconds for queue in self._queues.values() if queue.device == device]
        self.wait_until(max(busy, default=0.0), str(device))

    def wait_until(self, seconds: float, for_whom: str) -> None:
        """Let the host wait until a time, if it is still to come."""
        start, self.host_seconds = self.host_seconds, max(self.host_seconds, seconds)
        if self.host_seconds > start:
            self.events.append(Event("host", f"wait for {for_whom}", start, self.host_seconds))

    def has_reached(self, seconds: float) -> bool:
        """Let the host ask whether a time has come. Asking takes time too, so that a loop that asks comes to an end."""
        self._busy_host("query", self.host.call_seconds)
        if len(self.events) > 1:
            before, last = self.events[-2:]
            if (before.lane, before.name, before.end_seconds) == ("host", "query", last.start_seconds):
                self.events[-2:] = [replace(before, end_seconds=last.end_seconds)]
        return self.host_seconds >= seconds

    # Queues.

    def new_queue(self, device: torch.device) -> Queue:
        """Return a further queue of a device."""
        number = self._streams[device] % _STREAMS + 1
        self._streams[device] += 1
        return self._queue(device, number)

    def default_queue(self, device: torch.device) -> Queue:
        """Return the queue of a device's default stream."""
        return self._queue(device, 0)

    def current_queue(self, device: torch.device) -> Queue:
        """Return the queue that a device's kernels go into."""
        return self._current.get(device) or self._current.setdefault(device, self.default_queue(device))

    def set_current_queue(self, queue: Queue) -> None:
        """Let its device's kernels go into this queue from now on."""
        self._current[queue.device] = queue

    def free_seconds(self, queue: Queue) -> float:
        """Return the time at which a queue will have done all that it was given."""
        host, queued = self.host_seconds, queue.done_seconds
        return host if host > queued else queued

    def hold(self, queue: Queue, until_seconds: float) -> None:
        """Let a queue begin nothing that it is given from now on before a time."""
        queue.done_seconds = max(self.free_seconds(queue), until_seconds)

    def _queue(self, device: torch.device, number: int) -> Queue:
        if (device, number) not in self._queues:
            self._queues[device, number] = Queue(device, number, self._engines[device, "compute"])
        return self._queues[device, number]

    def _send(self, source: torch.device, target: torch.device, name: str, nbytes: int, *, wait: bool) -> None:
        lane, devices, engines = self._ways.get((source, target)) or self._new_way(source, target)
        queues = [self.current_queue(device) for device in devices]
        seconds = self.card.bus_latency_seconds + nbytes / self.card.bus_bytes_per_second
        self._enqueue(lane, name, queues, engines, seconds)
        if wait:
            self.wait_until(self.free_seconds(queues[0]), queues[0].lane)

    def _new_way(self, source: torch.device, target: torch.device) -> "_Way":
        ends = [(device, direction) for device, direction in ((source, "out"), (target, "in")) if device != CPU]
        way = f"copy {source}→{target}", [device for device, _ in ends], [self._engines[end] for end in ends]
        return self._ways.setdefault((source, target), way)

    def _busy_host(self, name: str, seconds: float) -> None:
        start, self.host_seconds = self.host_seconds, self.host_seconds + seconds
        if seconds > 0:
            self.events.append(Event("host", name, start, self.host_seconds))

    def _enqueue(
        self, lane: str, name: str, queues: Sequence[Queue], engines: Sequence["_Engine"], seconds: float
    ) -> None:
        start = max(map(self.free_seconds, queues))
        while (later := max([engine.next_start(start, seconds) for engine in engines])) > start:
            start = later
        for queue in queues:
            queue.done_seconds = start + seconds
        if seconds > 0:
            for engine in engines:
                engine.take(start, start + seconds, now=self.host_seconds)
            self.events.append(Event(lane, name, start, start + seconds))


class _Engine:
    """A part of a device that does one thing at a time, at the first moment that is free."""

    def __init__(self) -> None:
        self._busy: list[tuple[float, float]] = []  # from, to; in order
        self._most = 1000  # when there are more, those that are over are forgotten

    def next_start(self, start: float, seconds: float) -> float:
        """Return the first time, from ``start`` on, at which there is nothing to do for so long."""
        if not self._busy or self._busy[-1][1] <= start:
            return start
        for i in range(bisect_right(self._busy, start, key=lambda interval: interval[1]), len(self._busy)):
            begins, ends = self._busy[i]
            if start + seconds <= begins:
                break
            start = ends
        return start

    def take(self, start: float, end: float, *, now: float) -> None:
        """Be busy from one time to another."""
        if not self._busy or self._busy[-1] <= (start, end):
            self._busy.append((start, end))
        else:
            self._busy.insert(bisect_right(self._busy, (start, end)), (start, end))
        if len(self._busy) > self._most:
            self._busy = [interval for interval in self._busy if interval[1] > now]
            self._most = max(1000, 2 * len(self._busy))


_Way = tuple[str, list[torch.device], list[_Engine]]  # the lane of copies from one place to another, and what they hold
