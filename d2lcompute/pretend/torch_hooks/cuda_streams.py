"""Streams and events: what ``torch.cuda.Stream`` and ``torch.cuda.Event`` make, on the virtual clock."""

from typing import Any

import torch

from ..costs.clock import Clock, Queue
from ..hardware import Hardware
from ..operations import CPU
from .handler import answers, constructs, handles, not_covered

__all__ = ()

_CUDA = 1  # torch's number for this type of device


class Stream(torch.Stream):
    """A queue of the virtual clock, as a program sees it.

    Args:
        machine: the machine that has the device.
        queue: the queue.
        priority: told, and of no effect.
    """

    machine: Hardware
    clock: Clock
    queue: Queue
    priority: int
    cuda_stream: int
    outer: list[tuple[int, Queue]]

    def __new__(cls, machine: Hardware, queue: Queue, priority: int = 0) -> "Stream":
        """Make one that says where it is."""
        index = queue.device.index
        stream = super().__new__(cls, stream_id=queue.number, device_index=index, device_type=_CUDA)
        stream.clock, stream.machine, stream.queue = machine.ledger.clock, machine, queue
        stream.priority, stream.cuda_stream = priority, queue.number
        stream.outer = []
        return stream

    @property  # type: ignore[misc]  # object has a setter too
    def __class__(self) -> Any:
        """What it stands for, so that ``isinstance`` says so."""
        return torch.cuda.Stream

    def wait_event(self, event: Any) -> None:
        event.wait(self)

    def wait_stream(self, stream: Any) -> None:
        self.wait_event(stream.record_event())

    def record_event(self, event: Any = None) -> Any:
        event = Event(self.machine) if event is None else event
        event.record(self)
        return event

    def query(self) -> bool:
        return self.clock.has_reached(self.clock.free_seconds(self.queue))

    def synchronize(self) -> None:
        self.clock.wait_until(self.clock.free_seconds(self.queue), self.queue.lane)

    def is_capturing(self) -> bool:
        return False

    def __enter__(self) -> "Stream":
        self.outer.append((self.machine.current_index, self.clock.current_queue(self.device)))
        _set_stream(self.machine, self)
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.current_index, before = self.outer.pop()
        self.clock.set_current_queue(before)

    def __repr__(self) -> str:
        return f"<torch.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event(torch.Event):
    """A mark in a stream, reached when all that the stream was given before is done.

    Args:
        machine: the machine whose clock it is on.
        enable_timing: whether :meth:`elapsed_time` may be asked.
    """

    machine: Hardware
    clock: Clock
    enable_timing: bool
    device: torch.device | None = None  # type: ignore[assignment]  # until it is recorded
    reached_seconds: float | None = None

    def __new__(cls, machine: Hardware, *, enable_timing: bool = False) -> "Event":
        """Make one that is recorded nowhere yet."""
        event = super().__new__(cls)
        event.clock, event.machine, event.enable_timing = machine.ledger.clock, machine, enable_timing
        return event

    @property  # type: ignore[misc]  # object has a setter too
    def __class__(self) -> Any:
        """What it stands for, so that ``isinstance`` says so."""
        return torch.cuda.Event

    def record(self, stream: Any = None) -> None:
        queue = self._queue(stream)
        if self.device not in (None, queue.device):
            raise RuntimeError(
                f"Event device {self.device.index} does not match recording stream's device {queue.device.index}."
            )
        self.device, self.reached_seconds = queue.device, self.clock.free_seconds(queue)

    def wait(self, stream: Any = None) -> None:
        if self.reached_seconds is not None:
            self.clock.hold(self._queue(stream), self.reached_seconds)

    def query(self) -> bool:
        return self.reached_seconds is None or self.clock.has_reached(self.reached_seconds)

    def synchronize(self) -> None:
        if self.reached_seconds is not None:
            self.clock.wait_until(self.reached_seconds, f"an event of {self.device}")

    def elapsed_time(self, end_event: Any) -> float:
        start, end = self.reached_seconds, end_event.reached_seconds
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if start is None or end is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if max(start, end) > self.clock.host_seconds:
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        return 1000 * (end - start)

    def _queue(self, stream: Any) -> Queue:
        return self.clock.current_queue(self.machine.accelerator(None)) if stream is None else stream.queue

    def __repr__(self) -> str:
        state = "uninitialized" if self.reached_seconds is None else f"on {self.device} (pretended)"
        return f"<torch.cuda.Event {state}>"


@answers(torch.cuda.Stream, "__new__")
def _new_stream(machine: Hardware, cls: type, device: Any = None, priority: int = 0, **others: Any) -> Stream:
    if cls is not torch.cuda.Stream or others:
        raise not_covered(f"torch.cuda.{cls.__name__} of a handle", "make a stream with torch.cuda.Stream(device)")
    return Stream(machine, machine.ledger.clock.new_queue(machine.accelerator(device)), priority)


@answers(torch.cuda.Event, "__new__")
def _new_event(machine: Hardware, _: type, enable_timing: bool = False, *_args: Any, **_kwargs: Any) -> Event:
    return Event(machine, enable_timing=enable_timing)


@constructs(torch, "Stream")
def _any_stream(machine: Hardware, make: Any, device: Any = None, **given: Any) -> Any:
    where = machine.accelerator() if device is None else machine.resolve(device)
    return make(device, **given) if where in (None, CPU) else _new_stream(machine, torch.cuda.Stream, where, **given)


@constructs(torch, "Event")
def _any_event(machine: Hardware, make: Any, device: Any = None, **given: Any) -> Any:
    where = machine.accelerator() if device is None else machine.resolve(device)
    return make(device, **given) if where in (None, CPU) else _new_event(machine, torch.cuda.Event, **given)


@answers(torch.cuda, "current_stream")
@answers(torch.accelerator, "current_stream")
def _current_stream(machine: Hardware, device: Any = None) -> Stream:
    return Stream(machine, machine.ledger.clock.current_queue(machine.accelerator(device)))


@answers(torch.cuda, "default_stream")
def _default_stream(machine: Hardware, device: Any = None) -> Stream:
    return Stream(machine, machine.ledger.clock.default_queue(machine.accelerator(device)))


@answers(torch.cuda, "set_stream")
@answers(torch.accelerator, "set_stream")
def _set_stream(machine: Hardware, stream: Any) -> None:
    if stream is None:
        return
    if getattr(stream, "machine", None) is not machine:
        raise TypeError(f"stream must be one that was made on this pretended machine; got {stream!r}")
    machine.ledger.clock.set_current_queue(stream.queue)
    machine.current_index = stream.device_index


@handles(torch.Tensor.record_stream)
def _record_stream(*_: Any) -> None:
    """Do nothing: freed memory is given out again in the order of the host's program, whatever stream it was for."""
