"""Transfers: what counts as a host read, and one report for the CPU, pretended devices and real ones."""

import warnings
from pathlib import Path

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
FROM_LISTS = {
    "tensor": lambda X: torch.tensor(list(X)),
    "tensor of a tuple": lambda X: torch.tensor(tuple(X)),
    "tensor of lists": lambda X: torch.tensor([list(X)[:2], list(X)[2:]]),
    "tensor with numbers between": lambda X: torch.tensor([7.0, *X, 8.0]),
    "tensor of one-element tensors": lambda X: torch.tensor(X.split(1)),
    "tensor on its device": lambda X: torch.tensor(list(X), device=X.device),
    "as_tensor": lambda X: torch.as_tensor(list(X), dtype=torch.float64),
    "asarray": lambda X: torch.asarray(list(X)),
    "tensor by name": lambda X: torch.tensor(data=list(X)),
    "asarray by name": lambda X: torch.asarray(obj=list(X)),
    "new_tensor": lambda X: X.new_tensor(list(X)),
    "new": lambda X: X.new(list(X)),
    "Tensor": lambda X: torch.Tensor(list(X)),
    "Tensor of lists": lambda X: torch.Tensor([list(X)[:2], list(X)[2:]]),
    "LongTensor": lambda X: torch.LongTensor(list(X.long())),
}
LANDS_ON_DEVICE = {"tensor on its device", "new_tensor", "new"}
SILENT = {
    "sum": lambda X: X.sum(),
    "product": lambda X: X @ X,
    "slice": lambda X: X[1:],
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


@pytest.mark.parametrize("name", FROM_LISTS)
def test_a_tensor_made_of_a_list_reads_its_elements_one_by_one(name):
    """Making a tensor of tensors asks for each number by itself; numbers that are there already cost nothing."""
    with record_transfers() as on_cpu:
        made = FROM_LISTS[name](torch.arange(4.0))
    with pretend_gpus(1) as machine:
        X = torch.arange(4.0).to("cuda")
        before, copies = machine.host_reads, machine.transfers.copies
        same = FROM_LISTS[name](X)
        device = same.device.type

    assert on_cpu.host_reads == machine.host_reads - before == 4
    assert (device, machine.transfers.copies - copies) == (("cuda", 1) if name in LANDS_ON_DEVICE else ("cpu", 0))
    assert made.tolist() == same.tolist()


def test_each_element_of_a_list_is_a_wait():
    """On the virtual clock the elements come one after the other: each takes a trip over the bus."""
    with pretend_gpus(1) as machine:
        losses = list(torch.ones(5, device="cuda"))
        torch.tensor(losses)
    with pretend_gpus(1) as at_once:
        torch.stack(list(torch.ones(5, device="cuda"))).tolist()

    names = [event.name for event in machine.timeline]
    assert (names.count("read"), names.count("wait for cuda:0")) == (5, 5)
    assert machine.elapsed_seconds > at_once.elapsed_seconds


@pytest.mark.parametrize("make", [torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor])
def test_a_tensor_made_of_numbers_reads_nothing(make):
    """What the host has already, it need not wait for."""
    with pretend_gpus(1) as machine, record_transfers() as transfers:
        make([[1.0, 2.0], [3.0, 4.0]])
    with record_transfers() as on_cpu:
        make([[1.0, 2.0], [3.0, 4.0]])

    assert machine.transfers == transfers == on_cpu == Transfers(0, 0, 0)


@pytest.mark.parametrize("make", [torch.as_tensor, torch.asarray])
def test_a_tensor_made_of_a_tensor_reads_nothing(make):
    """A tensor by itself is no list: it stays on its device."""
    with pretend_gpus(1) as machine:
        made = make(torch.ones(2, 3, device="cuda"), dtype=torch.float64)
        device = made.device.type

    assert (device, machine.transfers) == ("cuda", Transfers(0, 0, 0))


def test_named_arguments_place_a_tensor_as_positions_do():
    """data= and obj= are taken like the first argument, from a list and from a tensor."""
    with pretend_gpus(1) as machine:
        X = torch.ones(2, device="cuda")
        made = [torch.as_tensor(data=X, device="cpu"), torch.asarray(obj=X, device="cpu"), X.new_tensor(data=[X[0]])]
        devices = [tensor.device.type for tensor in made]

    assert devices == ["cpu", "cpu", "cuda"]
    assert (machine.host_reads, machine.transfers.copies) == (3, 3)


@pytest.mark.parametrize("home", ["cpu", "cuda:1"])
def test_filling_with_a_value_from_another_device_reads_it(home):
    """Torch takes the number through the host: the tensor stays where it is, and the host waits once."""
    with pretend_gpus(2) as machine:
        target, value = torch.ones(3, device=home), torch.tensor(2.0, device="cuda:0")
        before = machine.transfers.copies
        target.fill_(value)
        places = str(target.device), str(value.device)

    assert (target.tolist(), places) == ([2, 2, 2], (home, "cuda:0"))
    assert (machine.host_reads, machine.transfers.copies) == (1, before)


@pytest.mark.parametrize("value", [2.0, "cpu", "cuda:0"])
def test_filling_with_a_value_that_is_at_hand_reads_nothing(value):
    """A number, a tensor on the CPU, and one on the same device need no waiting."""
    with pretend_gpus(1) as machine:
        target = torch.ones(3, device="cuda:0")
        target.fill_(value if isinstance(value, float) else torch.ones(1, device=value).sum())

    assert machine.host_reads == 0


def test_a_value_that_fills_gets_its_gradient_where_it_is():
    """The gradient of a filling value goes back to the value's device."""
    with pretend_gpus(2):
        value = torch.tensor(2.0, device="cuda:1", requires_grad=True)
        filled = torch.zeros(3, device="cuda:0").fill_(value)
        (filled * 5).sum().backward()
        places = str(filled.device), str(value.grad.device)

    assert (value.grad.item(), places) == (15, ("cuda:0", "cuda:1"))


@pytest.mark.parametrize("make", [torch.linspace, torch.logspace])
def test_a_range_between_tensors_reads_its_ends(make):
    """How a range begins and ends is told to the host: two reads, also by the CPU's count."""
    with record_transfers() as on_cpu:
        expected = make(torch.tensor(0.0), torch.tensor(2.0), 3)
    with pretend_gpus(1) as machine:
        ends = torch.tensor([0.0, 2.0]).to("cuda")
        before = machine.host_reads
        made = make(ends[0], ends[1], 3)
        device = made.device.type

    assert on_cpu.host_reads == machine.host_reads - before == 2
    assert (device, made.tolist()) == ("cpu", expected.tolist())


def test_a_number_that_a_tensor_cannot_give_is_no_read():
    """A float tensor is no index: torch says so without waiting for its value."""
    with pretend_gpus(1) as machine:
        X = torch.ones(2, device="cuda")
        with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
            [0, 1, 2][X[0]]

    assert machine.host_reads == 0


@pytest.mark.parametrize("name", SILENT)
def test_computing_reads_nothing(name):
    """What stays on the device asks for nothing: results, views, shapes, gradients."""
    with record_transfers() as on_cpu:
        SILENT[name](torch.ones(4))
    with pretend_gpus(1) as machine:
        SILENT[name](torch.ones(4, device="cuda"))

    assert machine.transfers == on_cpu == Transfers(0, 0, 0)


@pytest.mark.parametrize(
    ("index", "nbytes"),
    [
        (lambda X: X[[0, 2]], 16),
        (lambda X: X[torch.tensor([0, 2])], 16),
        (lambda X: X[torch.tensor([0, 2]), [1, 1]], 32),
        (lambda X: X[X.cpu() > 2.0], 3 * 2 * 8 + 6 * 4),  # the tensor comes, and where the mask holds goes
        (lambda X: X.__setitem__([0, 2], 0.0), 16),
        (lambda X: X.index_put_((torch.tensor([0]),), X[0].clone()), 8),
    ],
)
def test_indices_of_the_host_are_sent_before_they_are_used(index, nbytes):
    """Numbers in a list are a tensor on the CPU: it goes over the bus, and the host waits until it is there."""
    with pretend_gpus(1) as machine:
        index(torch.arange(6.0, device="cuda").reshape(3, 2))

    assert machine.bytes_copied == nbytes
    assert any(event.name == "wait for cuda:0" for event in machine.timeline)


def test_filling_where_a_mask_holds_asks_for_nothing():
    """One number goes wherever the mask holds; for a value from the device, or several, the places are counted."""
    with pretend_gpus(1) as machine:
        X = torch.arange(6.0, device="cuda")
        mask = X > 2
        X[mask] = 0.0
        silent = machine.host_reads
        X[mask] = torch.ones(3, device="cuda")
        X[mask] = X[0]
        X.index_put_((mask,), torch.tensor(1.0), accumulate=True)  # a sum is no fill

    assert (silent, machine.host_reads) == (0, 3)


def test_clipping_gradients_asks_for_nothing():
    """Gradients are sorted by their device, and clipped there; on two devices the norms meet on the first."""
    with pretend_gpus(2) as machine:
        parameters = [torch.nn.Parameter(torch.ones(2, device=device)) for device in ("cuda:0", "cuda:1")]
        sum(parameter.sum().to("cuda:0") for parameter in parameters).backward()
        before = machine.host_reads
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)

        assert (machine.host_reads, norm.device) == (before, parameters[0].device)
        assert [parameter.grad.tolist() for parameter in parameters] == [[pytest.approx(0.5)] * 2] * 2


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


def test_copies_between_memories_are_counted_without_a_machine():
    """Within one memory nothing is copied; to another, for which the meta device stands here, each copy counts."""
    with record_transfers() as within:
        torch.zeros(3).copy_(torch.ones(3))
    with record_transfers() as across:
        torch.empty(3, device="meta").copy_(torch.ones(3))
        torch.ones(4).to("meta")

    assert within == Transfers(0, 0, 0)
    assert across == Transfers(host_reads=0, copies=2, bytes_copied=28)


def test_a_repr_is_given_its_options():
    """What torch lets a repr be told arrives, on the CPU and on a pretended device."""
    with record_transfers():
        on_cpu = torch.ones(2).__repr__(tensor_contents="many")
    with pretend_gpus(1):
        on_device = torch.ones(2, device="cuda").__repr__(tensor_contents="many")

    assert (on_cpu, on_device) == ("tensor(many)", "tensor(many, device='cuda:0')")


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


# PyTorch's own way to find them.


def test_debug_mode_warns_where_the_program_waits():
    """The warning names the line of the program, whatever it calls there; asking to wait is none."""
    with pretend_gpus(1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        X = torch.ones(3, device="cuda:0")
        torch.cuda.set_sync_debug_mode("warn")
        total = X.sum()
        torch.cuda.synchronize()
        if total > 2:
            total = X.mean()
        X.cpu()
        torch.cuda.set_sync_debug_mode("default")
        X.tolist()

    here = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert {(warning.filename, str(warning.message)) for warning in caught} == {
        (__file__, "called a synchronizing CUDA operation")
    }
    assert [here[warning.lineno - 1].strip() for warning in caught] == ["if total > 2:", "X.cpu()"]


@pytest.mark.parametrize("mode", ["error", 2])
def test_debug_mode_refuses_to_wait(mode):
    """Under ``error`` a wait is an error, and nothing is counted."""
    with pretend_gpus(1) as machine:
        X = torch.ones(3, device="cuda:0")
        torch.cuda.set_sync_debug_mode(mode)

        assert torch.cuda.get_sync_debug_mode() == 2
        with pytest.raises(RuntimeError, match=r"^called a synchronizing CUDA operation$"):
            X.sum().item()
        assert machine.host_reads == 0


def test_debug_mode_is_a_machines_own():
    """A mode that does not exist is refused in PyTorch's words, and the next machine begins anew."""
    with pretend_gpus(1):
        torch.cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match="expected one of `default`, `warn`, `error`"):
            torch.cuda.set_sync_debug_mode("loud")
    with pretend_gpus(1):
        assert torch.cuda.get_sync_debug_mode() == 0
