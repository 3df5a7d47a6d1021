"""The virtual clock: one host that launches kernels, one queue for each device, one bus."""

from dataclasses import dataclass

import torch

from ..operations import CPU
from .cards import Card, Host

__all__ = ["Clock", "Event"]


@dataclass(frozen=True)
class Event:
    """One bar of the timeline.

    Attributes:
        lane: who was busy: ``host``, a device such as ``cuda:0``, or a copy such as ``copy cuda:0→cuda:1``.
        name: what it did, such as ``mm``, ``launch mm`` or ``wait for cuda:0``.
        start_seconds: when it began on the virtual clock.
        end_seconds: when it ended.
    """

    lane: str
    name: str
    start_seconds: float
    end_seconds: float


class Clock:
    """A modelled time that depends on nothing but the program.

    The host launches a kernel in ``host.launch_seconds`` and goes on. A device runs the kernels of its queue, one after
    the other. An operation takes the larger of FLOPs over peak and bytes over bandwidth. A copy holds the queues of
    both its ends. The host waits where a program asks for a value, and where it synchronizes.

    Args:
        card: the figures of every device.
        host: the figures of the processor.
    """

    def __init__(self, card: Card, host: Host) -> None:
        self.card, self.host = card, host
        self.host_seconds = 0.0
        self.events: list[Event] = []
        self._free_seconds: dict[torch.device, float] = {}

    def run(self, device: torch.device, name: str, flops: int, nbytes: int, dtype: torch.dtype) -> None:
        """Put an operation into its device's queue; the host computes its own at once."""
        if device == CPU:
            seconds = self.host.seconds(flops, nbytes, dtype)
            self._busy_host(name, self.host.call_seconds + seconds)
            return
        self._busy_host(f"launch {name}", self.host.launch_seconds)
        self._enqueue(str(device), name, [device], self.card.seconds(flops, nbytes, dtype))

    def copy(self, source: torch.device, target: torch.device, nbytes: int, *, wait: bool) -> None:
        """Send bytes over the bus; with ``wait`` the host goes on only when they have arrived."""
        self._busy_host("launch copy", self.host.launch_seconds)
        self._send(source, target, "copy", nbytes, wait=wait)

    def read(self, device: torch.device, nbytes: int) -> None:
        """Send the values that the host asks a device for; the host waits for them."""
        self._send(device, CPU, "read", nbytes, wait=True)

    def wait(self, device: torch.device) -> None:
        """Let the host wait until a device has emptied its queue."""
        start, self.host_seconds = self.host_seconds, max(self.host_seconds, self.free_seconds(device))
        if self.host_seconds > start:
            self.events.append(Event("host", f"wait for {device}", start, self.host_seconds))

    def free_seconds(self, device: torch.device) -> float:
        """Return the time at which a device will have emptied its queue."""
        return self._free_seconds.get(device, 0.0)

    def _send(self, source: torch.device, target: torch.device, name: str, nbytes: int, *, wait: bool) -> None:
        ends = [device for device in (source, target) if device != CPU]
        seconds = self.card.bus_latency_seconds + nbytes / self.card.bus_bytes_per_second
        self._enqueue(f"copy {source}→{target}", name, ends, seconds)
        if wait:
            self.wait(ends[0])

    def _busy_host(self, name: str, seconds: float) -> None:
        start, self.host_seconds = self.host_seconds, self.host_seconds + seconds
        if seconds > 0:
            self.events.append(Event("host", name, start, self.host_seconds))

    def _enqueue(self, lane: str, name: str, queues: list[torch.device], seconds: float) -> None:
        start = max([self.host_seconds, *(self.free_seconds(device) for device in queues)])
        for device in queues:
            self._free_seconds[device] = start + seconds
        if seconds > 0:
            self.events.append(Event(lane, name, start, start + seconds))
