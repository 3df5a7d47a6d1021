"""Memory: what a device's allocator holds while programs run, the textbook's figures, and what happens when it is full.

``tests/pretend/reality`` holds the same functions against what a real card said.
"""

import copy
import gc
import io
import itertools
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from d2lcompute import pretend_gpus
from d2lcompute.pretend import A100
from d2lcompute.pretend.costs.allocator import CachingAllocator

CPU, GPU0, GPU1 = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
MIB = 1 << 20
WIDTHS, BATCH = (1000, 2000, 1000, 10), 512
WEIGHTS = sum(4 * (n + 1) * m for n, m in itertools.pairwise(WIDTHS))


@pytest.fixture
def machine():
    """Open a machine with two devices."""
    with pretend_gpus(2) as machine:
        yield machine


def requested(device=GPU0, kind="current"):
    """Return the bytes that tensors on a device asked for."""
    return torch.cuda.memory_stats(device)[f"requested_bytes.all.{kind}"]


def mlp():
    """Return a net of the widths above, on the first device."""
    layers = [nn.Linear(n, m) for n, m in itertools.pairwise(WIDTHS)]
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2]).to(GPU0)


# The textbook's figures, to the byte.


def test_training_takes_weights_gradients_and_two_moments(machine):
    """Adam: four bytes a weight, as many for its gradient, twice as many for its moments; the data besides."""
    net = mlp()
    assert requested() == WEIGHTS
    optimizer = torch.optim.Adam(net.parameters())
    X, y = torch.rand(BATCH, WIDTHS[0], device=GPU0), torch.zeros(BATCH, dtype=torch.long, device=GPU0)
    data = 4 * BATCH * WIDTHS[0] + 8 * BATCH
    assert requested() == WEIGHTS + data

    nn.functional.cross_entropy(net(X), y).backward()
    assert requested() == 2 * WEIGHTS + data
    optimizer.step()
    assert requested() == 4 * WEIGHTS + data
    optimizer.zero_grad()
    assert requested() == 3 * WEIGHTS + data


def test_activations_are_what_backward_needs(machine):
    """Each layer's output is kept, and a ReLU's for its own sake; without recording, two at a time."""
    net, X = mlp(), torch.rand(BATCH, WIDTHS[0], device=GPU0)
    start = requested()
    out = net(X)
    assert requested() - start == 4 * BATCH * (2000 + 1000 + 10)  # a Linear's output is freed, the ReLU's is kept
    del out
    assert requested() == start

    torch.cuda.reset_peak_memory_stats()
    with torch.no_grad():
        net(X)
    assert requested(kind="peak") - start == 4 * BATCH * 2 * 2000


def test_accumulation_keeps_the_activations_of_one_part(machine):
    """Four parts of a batch: a quarter of the activations, the same gradients."""
    net, X = mlp(), torch.rand(BATCH, WIDTHS[0], device=GPU0)
    start, held = requested(), []
    for part in X.chunk(4):
        out = net(part)
        held.append(requested() - start)
        out.sum().backward()
        del out

    assert held == [BATCH * (2000 + 1000 + 10), *[WEIGHTS + BATCH * (2000 + 1000 + 10)] * 3]


def test_checkpointing_keeps_inputs_alone(machine):
    """Of a checkpointed part nothing is kept but what goes in, which is there anyway, and what comes out."""
    net, X = mlp(), torch.rand(BATCH, WIDTHS[0], device=GPU0)
    start = requested()
    hidden = checkpoint(net[:4], X, use_reentrant=False)
    out = net[4](hidden)

    assert requested() - start == 4 * BATCH * (1000 + 10)
    del out, hidden


def test_autocast_halves_activations_and_keeps_casts_of_the_weights(machine):
    """Two bytes an activation and a cast of what goes in; the region keeps the weights' casts until it ends."""
    net, X = mlp(), torch.rand(BATCH, WIDTHS[0], device=GPU0)
    start = requested()
    with torch.autocast("cuda"):
        out = net(X)
        inside = requested() - start
    with torch.no_grad():
        assert inside == 2 * BATCH * (1000 + 2000 + 1000 + 10) + WEIGHTS // 2
    del out
    gc.collect()

    assert requested() == start


# What takes memory, and what does not.


def test_a_block_is_a_multiple_of_512_bytes(machine):
    """The allocator rounds up; what was asked for is told beside."""
    x = torch.empty(513, dtype=torch.uint8, device=GPU0)

    assert (torch.cuda.memory_allocated(), requested(), torch.cuda.memory_reserved()) == (1024, 513, 2 * MIB)
    del x
    assert (torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()) == (0, 1024)
    assert torch.cuda.memory_reserved() == 2 * MIB
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == 0


def test_views_and_work_in_place_take_none(machine):
    """They use memory that is there."""
    X = torch.ones(100, 100, device=GPU0)
    before = requested(kind="allocated")
    views = X.T, X[3:], X.view(-1), X.detach(), X.expand(2, 100, 100), X.add_(1), X.zero_()

    assert requested(kind="allocated") == before
    assert len(views) == 7


@pytest.mark.parametrize(
    ("make", "device", "nbytes"),
    [
        (lambda: torch.ones(0, 5, device=GPU0), GPU0, 0),
        (lambda: torch.ones(1000).pin_memory(), GPU0, 0),
        (lambda: torch.ones(1000).to(GPU1), GPU1, 4000),
        (lambda: torch.ones(1000, device=GPU0).cpu(), GPU0, 4000),
        (lambda: torch.ones(1000, device=GPU0).to(GPU1), GPU0, 4000),
        (lambda: torch.ones(1000, device=GPU0).to(GPU1), GPU1, 4000),
        (lambda: torch.ones(1000, dtype=torch.float64, device=GPU0).to(GPU1, torch.float16), GPU1, 2000),
        (lambda: torch.tensor([1.0, 2.0], device=GPU0), GPU0, 8),
        (lambda: nn.Linear(10, 10, device=GPU1), GPU1, 440),
        (lambda: copy.deepcopy(torch.ones(100, device=GPU0)), GPU0, 804),  # it makes a scalar first, and fills that
        (lambda: torch.cuda.DoubleTensor(10), GPU0, 80),
    ],
)
def test_each_tensor_is_counted_once_and_where_it_is(machine, make, device, nbytes):
    """However it was made: copies are counted at their target, and a source holds no second one meanwhile."""
    made = make()

    assert requested(device, "allocated") == nbytes
    del made
    assert requested(device) == 0


def test_a_loaded_tensor_is_counted(machine):
    """What a file says is on a device takes its memory."""
    file = io.BytesIO()
    torch.save(torch.ones(1000, device=GPU1), file)
    file.seek(0)
    before = requested(GPU1)
    loaded = torch.load(file)

    assert requested(GPU1) - before == loaded.nbytes == 4000


def test_a_tensor_that_is_resized_takes_what_it_needs(machine):
    """``resize_`` and ``out=`` may give a tensor more memory; both are looked at again."""
    X, Y = torch.ones(10, device=GPU0), torch.empty(0, device=GPU0)
    X.resize_(1000)
    torch.add(X, 1, out=Y)

    assert requested() == 8000


def test_what_a_cycle_holds_is_freed_with_it(machine):
    """The garbage collector may come at any moment, in the middle of an allocation too."""
    for _ in range(50):
        cycle = [torch.ones(1000, device=GPU0)]
        cycle.append(cycle)
    del cycle
    gc.collect()

    assert torch.cuda.memory_allocated() == 0


def test_memory_is_its_devices_own(machine):
    """Each function takes the device that it is asked about, and the current one by default."""
    X = torch.ones(1000, device=GPU1)

    assert torch.cuda.memory_allocated() == 0
    assert [torch.cuda.memory_allocated(each) for each in ("cuda:1", GPU1, 1)] == [4096] * 3
    torch.cuda.set_device(1)
    assert torch.cuda.memory_allocated() == torch.accelerator.memory_allocated() == 4096
    assert torch.accelerator.memory_reserved() == torch.cuda.memory_reserved() == 2 * MIB
    del X
    assert torch.accelerator.max_memory_allocated() == torch.cuda.max_memory_allocated() == 4096
    torch.accelerator.reset_peak_memory_stats()
    assert torch.cuda.max_memory_allocated() == 0
    torch.accelerator.reset_accumulated_memory_stats()
    assert requested(GPU1, "freed") == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda device: torch.cuda.memory_allocated(device),
        lambda device: torch.cuda.mem_get_info(device),
        lambda device: torch.cuda.reset_peak_memory_stats(device),
        lambda device: torch.cuda.memory_summary(device),
        lambda device: torch.accelerator.memory_stats(device),
    ],
)
def test_a_device_that_is_not_there_has_no_memory(machine, ask):
    """The error is that of every call that names it."""
    with pytest.raises((RuntimeError, ValueError), match=r"invalid device ordinal: cuda:2|Invalid device|device"):
        ask("cuda:2")


# What is told.


def test_the_summary_is_torchs_own(machine):
    """Its table has the numbers of ``memory_stats``: what is there, the peak, what was ever taken and given back."""
    kept = torch.empty(3 * MIB, dtype=torch.uint8, device=GPU0)
    torch.empty(MIB // 2, dtype=torch.uint8, device=GPU0)
    rows = {
        cells[0].strip(): [" ".join(cell.split()) for cell in cells[1:]]
        for cells in (line.strip("|").split("|") for line in torch.cuda.memory_summary().splitlines())
        if len(cells) == 5
    }

    assert rows["Allocated memory"] == ["3072 KiB", "3584 KiB", "3584 KiB", "524288 B"]
    assert rows["Requested memory"] == rows["Active memory"] == rows["Allocated memory"]
    assert rows["GPU reserved memory"] == ["22528 KiB", "22528 KiB", "22528 KiB", "0 B"]
    assert rows["Non-releasable memory"] == ["17408 KiB", "18944 KiB", "18944 KiB", "1536 KiB"]
    assert rows["Allocations"] == ["1", "2", "2", "1"]
    assert rows["GPU reserved segments"] == ["2", "2", "2", "0"]
    assert kept.numel() == 3 * MIB


def test_free_memory_is_what_is_not_reserved(machine):
    """As the driver would tell it, which knows nothing of the cache."""
    X = torch.ones(10, device=GPU0)

    assert torch.cuda.mem_get_info() == (A100.memory_bytes - 2 * MIB, A100.memory_bytes)
    assert torch.cuda.mem_get_info(GPU1) == (A100.memory_bytes,) * 2
    assert torch.cuda.get_device_properties(0).total_memory == A100.memory_bytes
    assert X.numel() == 10


# Running out.


def small(n=1, mib=64):
    """Return a machine whose cards have little memory."""
    return pretend_gpus(n, card=replace(A100, memory_bytes=mib * MIB))


def test_a_full_card_says_so_in_torchs_words():
    """How much was asked for, how much there is, and what is cached; the program may catch it and go on."""
    with small() as machine:
        kept = torch.empty(30 * MIB, dtype=torch.uint8, device=GPU0)
        with pytest.raises(torch.cuda.OutOfMemoryError) as caught:
            torch.ones(10 * MIB, device=GPU0)
        after = torch.ones(8 * MIB, device=GPU0)

        assert torch.cuda.memory_stats()["num_ooms"] == 1
        assert (kept.device, after.device, machine.device_count) == (GPU0, GPU0, 1)
    assert str(caught.value).startswith(
        "CUDA out of memory. Tried to allocate 40.00 MiB. GPU 0 has a total capacity of 64.00 MiB of which 34.00 MiB "
        "is free. Including non-PyTorch memory, this process has 30.00 MiB memory in use. Of the allocated memory "
        "30.00 MiB is allocated by PyTorch, and 0 bytes is reserved by PyTorch but unallocated. If reserved but "
        "unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid"
    )


def test_the_cache_is_given_back_before_a_card_is_full():
    """What is cached and of another size is no reason to fail."""
    with small():
        x = torch.empty(40 * MIB, dtype=torch.uint8, device=GPU0)
        del x
        y = torch.empty(60 * MIB, dtype=torch.uint8, device=GPU0)

        assert torch.cuda.memory_stats()["num_alloc_retries"] == 1
        assert torch.cuda.memory_reserved() == y.numel()


def test_a_full_card_leaves_the_other_alone():
    """Each device has a memory of its own."""
    with small(2):
        full = torch.empty(60 * MIB, dtype=torch.uint8, device=GPU0)
        other = torch.empty(60 * MIB, dtype=torch.uint8, device=GPU1)
        with pytest.raises(torch.OutOfMemoryError, match=r"GPU 1 has a total capacity of 64\.00 MiB"):
            full.to(GPU1)

        assert other.numel() == full.numel()


def test_a_smaller_batch_fits():
    """The lesson of every beginner: halve the batch until it fits."""
    with small():
        net = nn.Sequential(nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 1000)).to(GPU0)
        batch, tried = 8192, []
        while True:
            tried.append(batch)
            try:
                net(torch.ones(batch, 1000, device=GPU0)).sum().backward()
                break
            except torch.OutOfMemoryError:
                batch //= 2

    assert tried == [8192, 4096, 2048]


# The allocator.


def test_a_card_of_no_such_memory_gives_out_the_rest_of_segments_only():
    """A request that needs a new segment fails, one that a cached block serves does not."""
    allocator = CachingAllocator(GPU0, 2 * MIB)
    first = allocator.allocate(512)
    second = allocator.allocate(MIB)
    with pytest.raises(torch.OutOfMemoryError, match=re.escape("Tried to allocate 20.00 MiB")):
        allocator.allocate(MIB + 1)

    assert allocator.stats()["allocated_bytes"]["small_pool"]["current"] == MIB + 512
    assert first.nbytes + second.nbytes == MIB + 512


SIZES = st.one_of(st.integers(0, 3000), st.integers(MIB - 600, MIB + 600), st.integers(1, 30 * MIB))


def totals(allocator):
    """Return the rows of an allocator's statistics for both pools together."""
    return {name: rows["all"] for name, rows in allocator.stats().items() if isinstance(rows, dict) and "all" in rows}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(SIZES, st.just("free"), st.just("release")), max_size=60), st.randoms(use_true_random=False))
def test_the_allocator_hands_out_each_byte_once(steps, random):
    """Random programs: blocks never overlap, sums agree, and when all is freed nothing is left but whole segments."""
    allocator, held = CachingAllocator(GPU0, 1 << 40), []
    for step in steps:
        if step == "free":
            if held:
                held.pop(random.randrange(len(held)))
        elif step == "release":
            allocator.release_cached()
        else:
            held.append(allocator.allocate(step))
        blocks = sorted((a._block.address, a._block.nbytes) for a in held if a.nbytes)
        stats = totals(allocator)
        assert all(one[0] + one[1] <= other[0] for one, other in itertools.pairwise(blocks))
        assert stats["requested_bytes"]["current"] == sum(a.nbytes for a in held)
        assert stats["allocated_bytes"]["current"] == sum(nbytes for _, nbytes in blocks)
        assert stats["reserved_bytes"]["current"] >= stats["allocated_bytes"]["current"]
        assert all(row["current"] == row["allocated"] - row["freed"] <= row["peak"] for row in stats.values())
    held.clear()
    allocator.release_cached()

    assert {row["current"] for row in totals(allocator).values()} == {0}
