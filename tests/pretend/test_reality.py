"""The same lessons on this computer's own accelerators, held against the pretended machine. Without one, none runs."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcompute import pretend_gpus, record_transfers, synchronize

COUNT = torch.accelerator.device_count() if torch.accelerator.is_available() else 0
pytestmark = pytest.mark.skipif(COUNT == 0, reason="needs an accelerator; this computer has none")
two = pytest.mark.skipif(COUNT < 2, reason=f"needs two accelerators; this computer has {COUNT}")


def real(i=0):
    """Return this computer's own accelerator number i, whatever the environment hides."""
    return torch.device(torch.accelerator.current_accelerator().type, i)


def train(device):
    """Train a small net; return its losses."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    X, y = torch.rand(16, 4).to(device), torch.rand(16, 1).to(device)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.mse_loss(net(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def complaint(work, device):
    """Return the kind of error that some work on a device raises, and its first words."""
    with pytest.raises((RuntimeError, TypeError)) as caught:
        work(device)
    return caught.type.__mro__[-4:-2], str(caught.value).replace(str(device), "DEVICE")[:40]


def test_training_agrees_with_the_pretended_machine():
    """A real device's losses are a pretended one's, within the rounding of another order of additions."""
    with pretend_gpus(1):
        pretended = train("cuda:0")

    assert train(real()) == pytest.approx(pretended, rel=1e-4)


@pytest.mark.parametrize(
    "work",
    [
        lambda device: torch.ones(2, device=device) + torch.ones(2),
        lambda device: torch.ones(2, device=device).numpy(),
        lambda device: torch.ones(2)[torch.tensor([0], device=device)],
    ],
)
def test_refusals_have_the_same_words(work):
    """What the pretended machine refuses, a real one refuses, in the same first words."""
    with pretend_gpus(1):
        pretended = complaint(work, torch.device("cuda:0"))

    assert complaint(work, real()) == pretended


@two
def test_two_devices_do_not_mix():
    """The book's own example fails on two real devices in the words of the pretended ones."""
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but found at least two"):
        torch.ones(2, device=real(0)) + torch.ones(2, device=real(1))


def test_transfers_are_counted_as_on_the_pretended_machine():
    """Reads, copies and bytes of one program are the same on a real device and on a pretended one."""

    def program(device):
        X = torch.ones(10).to(device)
        values = [X.sum().item(), float(X[0]), bool((X > 0).all())]
        X.tolist()
        return values, X.cpu()

    with pretend_gpus(1) as machine:
        program("cuda:0")
    with record_transfers() as transfers:
        program(real())

    assert (transfers.host_reads, transfers.copies) == (machine.host_reads, machine.transfers.copies)
    assert transfers.bytes_copied == machine.bytes_copied


def test_an_unsynchronised_clock_is_early():
    """Launching large products takes less time than computing them, by this computer's own clock."""
    X = torch.ones(2048, 2048, device=real())
    X @ X
    synchronize(real())

    start = time.perf_counter()
    for _ in range(20):
        X @ X
    launched = time.perf_counter() - start
    torch.accelerator.synchronize()
    finished = time.perf_counter() - start

    assert launched < finished


def test_a_real_tensor_is_refused_inside_a_block():
    """A pretended machine uses none of the real accelerators, and says so when one slips in."""
    X = torch.ones(2, device=real())

    with (
        pretend_gpus(1),
        pytest.raises(RuntimeError, match="inside pretend_gpus every device but the CPU is pretended"),
    ):
        X + 1


def test_a_pretended_machine_hides_the_real_one():
    """Inside a block the count and the name are the pretended machine's, outside they are real again."""
    with pretend_gpus(5) as machine:
        inside = torch.accelerator.device_count()
        described = repr(machine)

    assert inside == 5
    assert "(pretended" in described
    assert torch.accelerator.device_count() == COUNT
