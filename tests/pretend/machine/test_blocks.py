"""Blocks: what is left behind, nesting, threads."""

import os
import threading

import pytest
import torch
from torch import nn

from d2lcompute import num_gpus, pretend_gpus
from d2lcompute.pretend.operations import Call
from d2lcompute.pretend.placement import Places
from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1

REAL = torch.cuda.device_count()  # how many this computer really has


def stack():
    """Return the modes that are active now."""
    return torch.overrides._get_current_function_mode_stack(), torch._C._len_torch_dispatch_stack()


def answers():
    """Return what a block replaces."""
    registered = list(torch.serialization._package_registry)
    return torch.cuda.is_available, torch.accelerator.device_count, torch.jit.trace, registered


def test_nothing_is_left_after_a_block():
    """After a block torch's functions are its own, and a tensor made inside is a CPU tensor with its values."""
    before = answers()

    with pretend_gpus(2):
        inside = answers()
        X = torch.ones(2, 2, device=GPU1)
        net = nn.Linear(2, 2).to(GPU0)
        torch.set_default_device("cuda")

    assert all(a != b for a, b in zip(before, inside, strict=True))
    assert answers() == before
    assert stack() == ([], 0)
    assert (X.device, net.weight.device, torch.ones(1).device, torch.empty(0).device) == (CPU,) * 4
    assert repr(X + torch.ones(2, 2)) == "tensor([[2., 2.],\n        [2., 2.]])"
    assert vars(X) == vars(net.weight) == {}


def test_nothing_is_left_after_an_exception():
    """A block that ends in an exception ends as completely as any other."""
    before = torch.cuda.is_available

    with pytest.raises(KeyError), pretend_gpus(2), torch.device("cuda:1"):
        raise KeyError

    assert torch.cuda.is_available is before
    assert stack() == ([], 0)
    assert (num_gpus(), torch.ones(1).device) == (0, CPU)


def test_a_call_within_a_call_gives_way_to_it_again():
    """What is made without tensors belongs to the innermost call, and after its end to the one around it."""
    places, zeros = Places({}), Call(torch.ops.aten.zeros.default, ([2],), {})

    with places.calling(Call(torch.add, (), {}, GPU1)):
        with places.calling(Call(torch.mul, (), {}, GPU0)):
            inside = places.device_for(zeros)
        after = places.device_for(zeros)

    assert (inside, after, places.device_for(zeros)) == (GPU0, GPU1, None)


def test_an_error_inside_an_operation_leaves_the_machine_whole(machine):
    """After a refusal the next operation is placed and timed as if nothing had been."""
    X = torch.ones(2, 2, device=GPU0)

    for wrong in (lambda: X @ torch.ones(3, 3, device=GPU0), lambda: X + torch.ones(2, 2), lambda: print(X.no_such)):
        with pytest.raises((RuntimeError, AttributeError)):
            wrong()
    seconds = machine.elapsed_seconds

    assert (X + 1).device == GPU0
    assert torch.ones(1).device == CPU
    assert machine.elapsed_seconds > seconds


def test_other_threads_are_not_pretended_to(machine):
    """Only the thread that opened the block has devices; the others see the computer as it is."""
    X = torch.ones(2, device=GPU1)
    seen = []
    num_gpus_outside = 0 if os.environ.get("D2LCOMPUTE_DEVICE") == "cpu" else REAL

    thread = threading.Thread(
        target=lambda: seen.extend([X.device, torch.cuda.device_count(), num_gpus(), (X + 1).device])
    )
    thread.start()
    thread.join()

    assert seen == [CPU, REAL, num_gpus_outside, CPU]
    assert X.device == GPU1


def test_two_threads_have_machines_of_their_own():
    """Each thread may open a block, whose clock and tensors are its own."""
    ready, seen = threading.Barrier(2), {}

    def work(n):
        with pretend_gpus(n) as machine:
            ready.wait()
            X = torch.ones(2, device=f"cuda:{n - 1}")
            ready.wait()
            seen[n] = (torch.cuda.device_count(), X.device, len(machine.timeline))

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == {1: (1, GPU0, 2), 2: (2, GPU1, 2)}
    assert torch.cuda.device_count() == REAL


def test_blocks_nest_as_machines_of_their_own(machine):
    """An inner block is another machine: its clock starts at 0, and the outer's tensors are CPU tensors in it."""
    X = torch.ones(2, device=GPU1)
    seconds, events = machine.elapsed_seconds, machine.timeline

    with pretend_gpus(1) as inner:
        Y = torch.ones(2, device="cuda")
        inside = (X.device, Y.device, num_gpus(), (X + 1).device)

    assert inside == (CPU, GPU0, 1, CPU)
    assert inner.elapsed_seconds > 0
    assert (machine.elapsed_seconds, machine.timeline) == (seconds, events)
    assert (X.device, Y.device, num_gpus()) == (GPU1, CPU, 2)


def test_a_machine_can_be_entered_again():
    """A machine goes on in the next block: tensors are where they were, the clock has not stood back."""
    machine = pretend_gpus(2)

    with machine:
        X = torch.ones(2, device=GPU1)
        seconds = machine.elapsed_seconds
    between = X.device
    with machine:
        again = X.device
        X + 1

    assert (between, again) == (CPU, GPU1)
    assert machine.elapsed_seconds > seconds


def test_a_real_accelerators_tensor_is_refused(machine, monkeypatch):
    """A tensor that is on this computer's own accelerator does not slip in as a pretended one."""

    class Real:
        is_cpu, is_meta, device = False, False, torch.device("cuda:0")

    with pytest.raises(RuntimeError, match="got a tensor on this computer's own cuda:0: move it to the CPU before"):
        machine.places.is_real(Real())
