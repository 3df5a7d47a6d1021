"""Programs as people write them for GPUs: mixed precision in both spellings, DataParallel, timing with events."""

import copy
import time
import warnings

import pytest
import torch
from torch import nn
from torch.cuda import comm
from torch.nn import functional as F

from d2lcompute import Timer, pretend_gpus
from d2lcompute.pretend import A100

GPU0, GPU1 = torch.device("cuda:0"), torch.device("cuda:1")
SPELLINGS = ["torch.cuda.amp", "torch.amp"]


@pytest.fixture
def machine():
    """Open a machine with two devices."""
    with pretend_gpus(2) as machine:
        yield machine


def net_and_batches(broken=None):
    """Return a net and five batches on the CPU, the same at each call; the values of one batch may be infinite."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
    batches = [(torch.rand(32, 8), torch.randint(3, (32,))) for _ in range(5)]
    if broken is not None:
        batches[broken][0][0] = torch.inf
    return net, batches


def train_mixed(spelling, broken=None):
    """Train as source notes and recipes do, with autocast and a scaler; return the net, the losses and the scaler."""
    net, batches = net_and_batches(broken)
    net.cuda()
    optimizer, losses = torch.optim.SGD(net.parameters(), lr=0.1), []
    if spelling == "torch.amp":
        region, scaler = torch.autocast("cuda"), torch.amp.GradScaler("cuda")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch tells that it is the old spelling
            region, scaler = torch.cuda.amp.autocast(), torch.cuda.amp.GradScaler()
    for inputs, targets in batches:
        inputs, targets = inputs.cuda(), targets.cuda()
        optimizer.zero_grad()
        with region:
            outputs = net(inputs)
            loss = F.cross_entropy(outputs, targets)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert (outputs.dtype, loss.dtype, net[0].weight.grad.dtype) == (torch.float16, torch.float32, torch.float32)
        losses.append(loss.item())
    return net, losses, scaler


def train_cast_by_hand():
    """Train the same net on the CPU, with each cast written out and the loss scaled by hand."""
    net, batches = net_and_batches()
    optimizer, losses, scale = torch.optim.SGD(net.parameters(), lr=0.1), [], 2.0**16
    for inputs, targets in batches:
        optimizer.zero_grad()
        hidden = inputs.half()
        for layer in (net[0], net[2]):
            hidden = F.linear(hidden, layer.weight.half(), layer.bias.half())
            hidden = F.relu(hidden) if layer is net[0] else hidden
        loss = F.cross_entropy(hidden.float(), targets)
        (loss * scale).backward()
        for parameter in net.parameters():
            parameter.grad /= scale
        optimizer.step()
        losses.append(loss.item())
    return net, losses


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_mixed_precision_is_what_casting_by_hand_gives(machine, spelling):
    """Losses and weights, step by step; and they are not what float32 gives."""
    net, losses, scaler = train_mixed(spelling)
    by_hand, expected = train_cast_by_hand()

    assert losses == pytest.approx(expected, rel=1e-3)
    for one, other in zip(net.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-3, atol=1e-4)
    assert scaler.get_scale() == 2.0**16
    full, batches = net_and_batches()
    assert F.cross_entropy(full(batches[0][0]), batches[0][1]).item() != losses[0]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_step_with_infinities_is_skipped_and_halves_the_scale(machine, spelling):
    """The gradients are really infinite or not a number, so the optimizer leaves the weights alone."""
    whole, losses, _ = train_mixed(spelling)
    net, with_break, scaler = train_mixed(spelling, broken=4)

    assert scaler.get_scale() == 2.0**15
    assert with_break[:4] == losses[:4]
    assert not torch.isfinite(net[0].weight.grad).all()
    assert all(torch.isfinite(parameter).all() for parameter in net.parameters())
    assert not torch.equal(whole[0].weight, net[0].weight)


def test_products_of_16_bits_are_sooner_done(machine):
    """The clock knows the card's peak for each dtype: a large product takes a fraction of the time."""
    X = torch.rand(512, 512, device=GPU0)
    clock = machine.ledger.clock

    def seconds(region):
        start = len(clock.events)
        with region:
            X @ X
        return sum(event.end_seconds - event.start_seconds for event in clock.events[start:] if event.name == "mm")

    full = seconds(torch.autocast("cuda", enabled=False))
    half = seconds(torch.autocast("cuda"))
    brain = seconds(torch.autocast("cuda", torch.bfloat16))

    # Products of this size are bound by arithmetic in float32 and by memory in 16 bits.
    nbytes = 3 * 512**2 * 2
    assert full == pytest.approx(2 * 512**3 / A100.flops_per_second[torch.float32])
    assert half == brain == pytest.approx(nbytes / A100.memory_bytes_per_second)


def test_data_parallel_trains_as_one_device_does(machine):
    """Each device takes half a batch; the gradients add up to one device's, and are on the first."""
    net, batches = net_and_batches()
    alone, parallel = copy.deepcopy(net), nn.DataParallel(net.cuda(), device_ids=[0, 1])
    seen = []
    net[0].register_forward_hook(lambda layer, inputs, output: seen.append((output.device, len(output))))
    for model in (alone, parallel):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for inputs, targets in batches:
            device = next(model.parameters()).device
            optimizer.zero_grad()
            F.cross_entropy(model(inputs.to(device)), targets.to(device)).backward()
            optimizer.step()

    assert sorted(seen, key=str) == [(GPU0, 16)] * 5 + [(GPU1, 16)] * 5
    for one, other in zip(parallel.parameters(), alone.parameters(), strict=True):
        assert one.device == GPU0
        torch.testing.assert_close(one.cpu(), other)


def test_comm_copies_splits_and_joins(machine):
    """``torch.cuda.comm`` is what DataParallel is made of, and can be called by itself."""
    X = torch.arange(8.0, device=GPU0).reshape(4, 2)

    everywhere = comm.broadcast(X, [0, 1])
    parts = comm.scatter(X, [0, 1])
    total = comm.reduce_add([copy.to(device) for copy, device in zip(everywhere, (GPU0, GPU1), strict=True)])
    joined = comm.gather(parts, destination=1)

    assert [each.device for each in everywhere] == [part.device for part in parts] == [GPU0, GPU1]
    assert [part.shape for part in parts] == [(2, 2)] * 2
    assert (total.device, joined.device) == (GPU0, GPU1)
    assert torch.equal(total, 2 * X)
    assert torch.equal(joined.cpu(), X.cpu())


def test_events_time_the_device_and_the_clock_its_launch(machine):
    """The textbook's two ways to time: events around the work, and a clock that is read too early."""
    X = torch.rand(512, 512, device=GPU0)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()

    before = machine.elapsed_seconds
    start.record()
    for _ in range(100):
        X @ X
    end.record()
    launched = machine.elapsed_seconds - before
    end.synchronize()
    finished = machine.elapsed_seconds - before

    product = 2 * 512**3 / A100.flops_per_second[torch.float32]
    assert start.elapsed_time(end) == pytest.approx(1000 * 100 * product, rel=0.01)
    assert launched < 1e-3 * start.elapsed_time(end) <= finished


def test_a_timer_waits_for_the_device_it_is_given(machine):
    """``Timer`` reads the computer's own clock, as a program around it would, and modelled work takes no part of it."""
    X = torch.rand(64, 64, device=GPU0)
    began = time.perf_counter()
    with Timer(device=GPU0) as timer:
        X @ X

    assert 0 < timer.sum() < time.perf_counter() - began
    assert any(event.name == "wait for cuda:0" for event in machine.timeline)
