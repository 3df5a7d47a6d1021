"""The virtual clock: one host that launches kernels, devices with their queues, one bus."""

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, replace
from typing import NamedTuple

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


class Queue(NamedTuple):
    """A queue of kernels: a device's default stream, which has the number 0, or another of its streams."""

    device: torch.device
    number: int = 0

    def __str__(self) -> str:
        return f"{self.device} stream {self.number}" if self.number else str(self.device)


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
        self._current: dict[torch.device, Queue] = {}
        self._free_seconds: dict[Queue, float] = {}
        self._engines: dict[tuple[torch.device, str], _Engine] = {}
        self._streams = Counter[torch.device]()

    def run(self, device: torch.device, name: str, flops: int, nbytes: int, dtype: torch.dtype) -> None:
        """Put an operation into its device's current queue; the host computes its own at once."""
        if device == CPU:
            seconds = self.host.seconds(flops, nbytes, dtype)
            self._busy_host(name, self.host.call_seconds + seconds)
            return
        self._busy_host(f"launch {name}", self.host.launch_seconds)
        queue = self.current_queue(device)
        self._enqueue(str(queue), name, [queue], [(device, "compute")], self.card.seconds(flops, nbytes, dtype))

    def copy(self, source: torch.device, target: torch.device, nbytes: int, *, wait: bool) -> None:
        """Send bytes over the bus; with ``wait`` the host goes on only when they have arrived."""
        self._busy_host("launch copy", self.host.launch_seconds)
        self._send(source, target, "copy", nbytes, wait=wait)

    def read(self, device: torch.device, nbytes: int) -> None:
        """Send the values that the host asks a device for; the host waits for them."""
        self._send(device, CPU, "read", nbytes, wait=True)

    def wait(self, device: torch.device) -> None:
        """Let the host wait until a device has emptied all its queues."""
        busy = [seconds for queue, seconds in self._free_seconds.items() if queue.device == device]
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
        return Queue(device, number)

    def current_queue(self, device: torch.device) -> Queue:
        """Return the queue that a device's kernels go into."""
        return self._current.get(device) or Queue(device)

    def set_current_queue(self, queue: Queue) -> None:
        """Let its device's kernels go into this queue from now on."""
        self._current[queue.device] = queue

    def free_seconds(self, queue: Queue) -> float:
        """Return the time at which a queue will have done all that it was given."""
        return max(self.host_seconds, self._free_seconds.get(queue, 0.0))

    def hold(self, queue: Queue, until_seconds: float) -> None:
        """Let a queue begin nothing that it is given from now on before a time."""
        self._free_seconds[queue] = max(self.free_seconds(queue), until_seconds)

    def _send(self, source: torch.device, target: torch.device, name: str, nbytes: int, *, wait: bool) -> None:
        ends = [(device, way) for device, way in ((source, "out"), (target, "in")) if device != CPU]
        queues = [self.current_queue(device) for device, _ in ends]
        seconds = self.card.bus_latency_seconds + nbytes / self.card.bus_bytes_per_second
        self._enqueue(f"copy {source}→{target}", name, queues, ends, seconds)
        if wait:
            self.wait_until(self.free_seconds(queues[0]), str(queues[0]))

    def _busy_host(self, name: str, seconds: float) -> None:
        start, self.host_seconds = self.host_seconds, self.host_seconds + seconds
        if seconds > 0:
            self.events.append(Event("host", name, start, self.host_seconds))

    def _enqueue(
        self, lane: str, name: str, queues: list[Queue], parts: list[tuple[torch.device, str]], seconds: float
    ) -> None:
        engines = [self._engines.setdefault(part, _Engine()) for part in parts]
        start = max(self.free_seconds(queue) for queue in queues)
        while (later := max(engine.next_start(start, seconds) for engine in engines)) > start:
            start = later
        for queue in queues:
            self._free_seconds[queue] = start + seconds
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
        self._busy.insert(bisect_right(self._busy, (start, end)), (start, end))
        if len(self._busy) > self._most:
            self._busy = [interval for interval in self._busy if interval[1] > now]
            self._most = max(1000, 2 * len(self._busy))
