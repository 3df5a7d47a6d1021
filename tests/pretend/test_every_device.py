"""What must hold on every accelerator: on real ones where there are any, and on pretended ones everywhere."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from d2lcompute import (
    Timer,
    benchmark,
    load_checkpoint,
    num_gpus,
    pretend_gpus,
    record_transfers,
    save_checkpoint,
    synchronize,
    try_all_gpus,
    try_gpu,
)

KINDS = ["pretended", "real"] if torch.accelerator.is_available() else ["pretended"]


@pytest.fixture(params=KINDS)
def device(request, monkeypatch):
    """Return the first accelerator, pretended or real."""
    if request.param == "pretended":
        with pretend_gpus(2):
            yield try_gpu()
        return
    monkeypatch.delenv("D2LCOMPUTE_DEVICE", raising=False)
    yield try_gpu()


def train(device, steps=20):
    """Train a small net from a fixed seed, and return the losses, on the CPU."""
    torch.manual_seed(0)
    X, y = torch.randn(32, 8).to(device), torch.randn(32, 1).to(device)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(net(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).cpu()


def test_try_gpu_gives_a_device_that_works(device):
    """Tensors are made there, report it, and come back with their values."""
    X = torch.arange(6.0, device=device)

    assert device.type != "cpu"
    assert X.device == device == try_all_gpus()[0]
    assert len(try_all_gpus()) == num_gpus()
    assert (2 * X).cpu().tolist() == [0, 2, 4, 6, 8, 10]


def test_tensor_to_copies_only_where_needed(device):
    """A copy is made on the way there; to where a tensor is already, it is the tensor itself."""
    X = torch.ones(2, 3)

    there = X.to(device)

    assert there is not X
    assert there.to(device) is there
    assert X.device.type == "cpu"


def test_devices_do_not_mix(device):
    """An operation on tensors of two devices is refused in PyTorch's words."""
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        torch.ones(3, device=device) @ torch.ones(3)


def test_numpy_is_refused(device):
    """A tensor on an accelerator has no memory that NumPy could read."""
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu\(\) to copy the tensor to host memory first"):
        torch.ones(3, device=device).numpy()


def test_training_equals_the_cpu(device):
    """Losses agree with the CPU's within the tolerance of float32, step by step, and fall."""
    there = train(device)
    here = train("cpu")

    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)
    assert there[-1] < there[0]


def test_module_to_keeps_its_parameters(device):
    """Moving a net keeps the parameters' identity on CUDA, so an optimizer that was made before goes on."""
    net = nn.Linear(3, 1)
    weight = net.weight

    net.to(device)

    assert net.weight is weight
    assert net.weight.device == device


def test_checkpoint_from_there_loads_here(device, tmp_path):
    """What was saved on an accelerator loads into a net on the CPU, and back."""
    net = nn.Linear(3, 1).to(device)
    other = nn.Linear(3, 1)

    save_checkpoint(tmp_path / "net.pt", net, step=3)
    step = load_checkpoint(tmp_path / "net.pt", other).step
    back = load_checkpoint(tmp_path / "net.pt", net)

    assert step == back.step == 3
    assert torch.equal(other.weight, net.weight.cpu())
    assert net.weight.device == device


def test_record_transfers_counts_reads(device):
    """Each value that the host asks for is one read; arithmetic is none."""
    X = torch.ones(8, 8, device=device)

    with record_transfers() as transfers:
        Y = (X @ X).sum()
        Y.item(), bool(Y > 0)

    assert transfers.host_reads == 2


def test_timer_shows_the_work_not_its_launch(device):
    """A lap over a product holds at least the time that the same product takes when it is waited for."""
    n = 512
    X = torch.ones(n, n, device=device)
    for _ in range(3):
        X @ X
    synchronize(device)

    with Timer(device=device) as one:
        X @ X
    with Timer(device=device) as fifty:
        for _ in range(50):
            X @ X

    assert 0 < one.sum() < fifty.sum()


def test_benchmark_names_the_device(device):
    """A measurement says where it was made."""
    X = torch.ones(16, 16, device=device)

    measured = benchmark(torch.mm, X, X, min_run_seconds=1e-4)

    assert measured.device == device
    assert measured.median_seconds > 0


def test_deepcopy_stays_there(device):
    """A copied net is on the same device, with parameters of its own."""
    net = nn.Linear(3, 1).to(device)

    other = copy.deepcopy(net)

    assert other.weight.device == device
    assert other.weight is not net.weight
    assert torch.equal(other.weight, net.weight)
