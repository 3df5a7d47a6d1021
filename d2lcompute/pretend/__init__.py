"""Pretended devices: accelerators that are not there, with real numbers and a virtual clock.

What is real: every value and every gradient, computed on the CPU and equal to a CPU run's, bit for bit; where PyTorch
would put each tensor, and in which dtype; what it refuses, in its own words; when the host has to wait, and what
crosses the bus; which memory each device's caching allocator holds.

What is modelled: time. The host launches a kernel in a fixed time and goes on. Each stream is a queue; a device
computes one kernel at a time, whichever of its streams it comes from. An operation takes the larger of FLOPs over the
card's peak and bytes over its bandwidth; FLOPs are those of :mod:`torch.utils.flop_counter`, bytes those of the tensors
that go in and come out. A copy takes a latency and bytes over the bus, and holds the current streams of both its ends;
beside computing, one copy can reach a device and one leave it. The host waits for its own copies (but for
``non_blocking=True`` to or from pinned memory), for values that it reads, and where it synchronizes. The figures are a
named card's, and yours to change. A modelled time is no measurement: it is the same on every computer.

What is not modelled: how well a kernel fits its card (small products reach a fraction of the peak, and leave room for
others), caches, the priority of streams, what goes wrong when a stream does not wait for another (here every value is
there at once; on a card it may not be), memory that the driver and the libraries take, and everything that the program
does outside torch, which takes no time here. A backward pass runs in the stream that is current.

What is not covered raises an error that names it; docs/pretending.md has the list, and what answers otherwise than a
real device.

Where is what, from the ground up:

* ``operations`` reads torch's schemas; ``mixing`` words its refusals; ``placement`` keeps each storage's device.
* ``host_reads`` tells where the host waits; ``casts`` keeps what an autocast region has cast.
* ``costs/`` is the model of time and memory: ``cards`` (published figures), ``clock``, ``counts``, ``ledger`` (which
  enters both), ``allocator`` (who holds which bytes) and its ``usage``.
* ``hardware`` has the devices, and what a handler asks of them.
* ``torch_hooks/`` answers for torch. ``function_mode`` sees calls from Python, ``dispatch_mode`` the operations that
  are computed; ``handler`` registers who answers for which function: ``tensor_queries``, ``tensor_moves``,
  ``tensor_creation``, ``cuda_api``, ``cuda_streams``, ``generators``, ``old_types``, ``data_parallel``; ``autocast``,
  ``device_copies``, ``python_bodies`` help them, and ``patches`` puts answers into torch and takes them out again.
* ``machine`` opens the block; ``recording`` counts transfers, also where nothing is pretended.
"""

from .costs.cards import A100 as A100
from .costs.cards import A100_PUBLISHED_FLOPS_PER_SECOND as A100_PUBLISHED_FLOPS_PER_SECOND
from .costs.cards import EPYC_7742 as EPYC_7742
from .costs.cards import H200 as H200
from .costs.cards import Card as Card
from .costs.cards import Host as Host
from .costs.clock import Event as Event
from .costs.counts import Transfers as Transfers
from .machine import Machine as Machine
from .machine import pretend_gpus
from .recording import record_transfers

__all__ = ["pretend_gpus", "record_transfers"]
