"""Transfers: what counts as a host read, and one report for the CPU, pretended devices and real ones."""

import pytest
import torch

from d2lcompute import pretend_gpus, record_transfers
from d2lcompute.pretend import Transfers

READS = {
    "item": lambda X: X.sum().item(),
    "float": lambda X: float(X.sum()),
    "int": lambda X: int(X.sum()),
    "bool": lambda X: bool((X > 0).all()),
    "if": lambda X: 1 if X[0] > 0 else 2,
    "index": lambda X: [0, 1, 2, 3, 4][X[0].long()],
    "format": lambda X: f"{X[0]:.1f}",
    "tolist": lambda X: X.tolist(),
    "repr": repr,
    "print": lambda X: print(X),
    "nonzero": lambda X: X.nonzero(),
    "mask": lambda X: X[X > 2],
    "where": lambda X: torch.where(X > 2),
    "equal": lambda X: torch.equal(X, X),
    "allclose": lambda X: torch.allclose(X, X),
    "unique": lambda X: X.unique(),
}
SILENT = {
    "sum": lambda X: X.sum(),
    "product": lambda X: X @ X,
    "slice": lambda X: X[1:],
    "index by numbers": lambda X: X[[0, 1]],
    "shape": lambda X: (X.shape, X.dtype, X.device, X.stride(), len(X)),
    "stack": lambda X: torch.stack([X, X]),
    "in place": lambda X: X.add_(1),
    "backward": lambda X: (X.detach().requires_grad_() ** 2).sum().backward(),
}


@pytest.mark.parametrize("name", READS)
def test_each_way_to_read_a_value_is_one_host_read(name):
    """However a program asks for values, the host waits once: on a pretended device and by the CPU's count."""
    read = READS[name]

    with record_transfers() as on_cpu:
        read(torch.ones(4))
    with pretend_gpus(1) as machine:
        X = torch.ones(4, device="cuda")
        read(X)

    assert on_cpu.host_reads == machine.host_reads == 1
    assert machine.transfers == on_cpu


@pytest.mark.parametrize("name", SILENT)
def test_computing_reads_nothing(name):
    """What stays on the device asks for nothing: results, views, shapes, gradients."""
    with record_transfers() as on_cpu:
        SILENT[name](torch.ones(4))
    with pretend_gpus(1) as machine:
        SILENT[name](torch.ones(4, device="cuda"))

    assert machine.transfers == on_cpu == Transfers(0, 0, 0)


def test_copies_are_counted_with_their_bytes():
    """A copy up is no read, a copy down is one unless it does not wait, a copy across is none."""
    with pretend_gpus(2) as machine:
        X = torch.ones(10).to("cuda:0")
        up = str(machine.transfers)
        Y = X.to("cuda:1")
        across = str(machine.transfers)
        Y.cpu()
        down = str(machine.transfers)
        Y.to("cpu", non_blocking=True)

    assert up == "0 host reads, 1 copies, 40 bytes copied"
    assert across == "0 host reads, 2 copies, 80 bytes copied"
    assert down == "1 host reads, 3 copies, 120 bytes copied"
    assert machine.transfers == Transfers(host_reads=1, copies=4, bytes_copied=160)


def test_reads_of_cpu_tensors_cost_a_machine_nothing():
    """Beside devices, reading what is on the CPU anyway is no host read: the host waits for nobody."""
    with pretend_gpus(1) as machine:
        torch.ones(3).sum().item()
        torch.ones(3).tolist()
        repr(torch.ones(3))

    assert machine.transfers == Transfers(0, 0, 0)


def test_record_transfers_counts_a_part_of_a_block():
    """Inside a block it counts its own part, and the machine goes on counting the whole."""
    with pretend_gpus(1) as machine:
        X = torch.ones(4, device="cuda")
        X.sum().item()
        with record_transfers() as part, record_transfers() as same:
            X.sum().item()
            X.cpu()
        X.sum().item()

    assert part == same == Transfers(host_reads=2, copies=1, bytes_copied=20)
    assert machine.transfers == Transfers(host_reads=4, copies=1, bytes_copied=28)


def test_record_transfers_stops_at_the_end_and_after_an_exception():
    """What comes after the block is not counted, however the block ended."""
    with record_transfers() as transfers:
        torch.ones(1).item()
    torch.ones(1).item()
    with pytest.raises(KeyError), record_transfers() as broken:
        raise KeyError
    torch.ones(1).item()

    assert (transfers.host_reads, broken.host_reads) == (1, 0)
    assert torch._C._len_torch_dispatch_stack() == 0


def test_record_transfers_changes_no_number():
    """Values and gradients inside are those outside."""
    X = torch.rand(4, requires_grad=True)
    (X**2).sum().backward()
    expected, X.grad = X.grad, None

    with record_transfers():
        (X**2).sum().backward()

    assert torch.equal(X.grad, expected)


def test_logging_each_step_is_seen_on_the_cpu_too():
    """A training loop's habit shows without a device: one read a step, or one in all."""

    def run(log):
        with record_transfers() as transfers:
            losses = [log(torch.rand(3).sum()) for _ in range(10)]
            if isinstance(losses[0], torch.Tensor):
                torch.stack(losses).tolist()
        return transfers.host_reads

    assert (run(torch.Tensor.item), run(torch.Tensor.detach)) == (10, 1)
