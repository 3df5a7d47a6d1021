"""What reaches further than tensors: files, loaders, parallel nets, transforms; and what is refused by name."""

import io
import threading

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import rnn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from d2lcompute import pretend_gpus
from d2lcompute.pretend.torch_hooks import patches

CPU, GPU0, GPU1 = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture
def machine():
    """Open a block with two pretended devices for the length of a test."""
    with pretend_gpus(2) as machine:
        yield machine


# Files.


def saved(value):
    """Return the file that ``torch.save`` makes of a value."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("map_location", "expected"),
    [
        (None, [GPU1, CPU]),
        ("cpu", [CPU, CPU]),
        (GPU0, [GPU0, GPU0]),
        ({"cuda:1": "cuda:0"}, [GPU0, CPU]),
        (lambda storage, location: storage, [CPU, CPU]),
    ],
)
def test_a_checkpoint_remembers_its_device_and_can_be_mapped(machine, map_location, expected):
    """A file saved from a device loads back onto it, or wherever ``map_location`` says, with its values."""
    file = saved({"on": torch.arange(3.0, device=GPU1), "off": torch.ones(2)})

    loaded = torch.load(file, map_location=map_location)

    assert [loaded["on"].device, loaded["off"].device] == expected
    assert loaded["on"].tolist() == [0, 1, 2]


def test_a_checkpoint_from_a_pretended_device_is_refused_where_there_is_none():
    """Outside a block the file claims a GPU that is not there: torch's own error, and ``map_location`` mends it."""
    with pretend_gpus(1):
        file = saved(nn.Linear(2, 2, device="cuda").state_dict())

    with pretend_gpus(0), pytest.raises(RuntimeError, match=r"Attempting to deserialize object on a CUDA device but"):
        torch.load(file)
    file.seek(0)
    assert torch.load(file, map_location="cpu")["weight"].shape == (2, 2)


def test_a_checkpoint_from_a_device_that_this_machine_lacks_is_refused():
    """On a machine with fewer devices torch's own error says how many there are."""
    with pretend_gpus(2):
        file = saved(torch.ones(2, device=GPU1))

    with pretend_gpus(1), pytest.raises(RuntimeError, match=r"CUDA device 1 but torch.cuda.device_count\(\) is 1"):
        torch.load(file)


def test_another_thread_saves_as_if_there_were_no_block(machine):
    """While a block is open in one thread, torch.save in another writes what it always writes."""
    files = []

    thread = threading.Thread(target=lambda: files.append(saved(torch.ones(2))))
    thread.start()
    thread.join()

    assert [torch.load(file).device for file in files] == [CPU]


def test_saving_and_loading_are_counted(machine):
    """Saving reads each storage, loading onto a device copies it back."""
    file = saved(torch.ones(10, device=GPU0))
    after_saving = (machine.host_reads, machine.bytes_copied)
    torch.load(file)

    assert after_saving == (1, 40)
    assert (machine.host_reads, machine.bytes_copied) == (1, 80)


def test_safetensors_stores_and_loads_device_tensors(machine, tmp_path):
    """The safetensors library copies to the CPU to store, and loads onto a device that exists."""
    safetensors.torch.save_file({"x": torch.arange(3.0, device=GPU1)}, tmp_path / "x.safetensors")

    loaded = safetensors.torch.load_file(tmp_path / "x.safetensors", device="cuda:0")["x"]

    assert (loaded.device, loaded.tolist()) == (GPU0, [0, 1, 2])


# Loaders, sequences, transforms.


@pytest.mark.parametrize("settings", [{}, {"pin_memory": True}, {"num_workers": 1}])
def test_data_loaders_feed_a_device(machine, settings):
    """Batches come from the CPU, also pinned or from worker processes, and move to a device."""
    data = TensorDataset(torch.arange(6.0), torch.arange(6))

    batches = [X.to(GPU1, non_blocking=True) for X, _ in DataLoader(data, batch_size=2, **settings)]

    assert {X.device for X in batches} == {GPU1}
    assert torch.cat(batches).tolist() == [0, 1, 2, 3, 4, 5]


def test_packed_sequences_keep_their_lengths_on_the_cpu(machine):
    """Lengths belong to the host; data, states and gradients to the device."""
    packed = rnn.pack_padded_sequence(torch.rand(2, 4, 3, device=GPU1), torch.tensor([4, 2]), batch_first=True)
    net = nn.LSTM(3, 5, batch_first=True).to(GPU1)
    out, (h, _) = net(packed)
    padded, lengths = rnn.pad_packed_sequence(out, batch_first=True)
    padded.sum().backward()

    assert (packed.data.device, packed.batch_sizes.device, lengths.device) == (GPU1, CPU, CPU)
    assert (padded.device, h.device, net.weight_hh_l0.grad.device) == (GPU1, GPU1, GPU1)


def test_ctc_loss_takes_lengths_from_the_cpu(machine):
    """The loss's lengths may stay on the CPU, as on real devices."""
    scores = torch.rand(5, 1, 3, device=GPU1, requires_grad=True)
    lengths = torch.tensor([5]), torch.tensor([2])

    loss = F.ctc_loss(scores.log_softmax(2), torch.tensor([[1, 2]], device=GPU1), *lengths)
    loss.backward()

    assert (loss.device, scores.grad.device) == (GPU1, GPU1)


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_recomputes_the_same_on_a_device(machine, reentrant):
    """A segment that is computed again in backward draws the same dropout and stays on its device."""
    x = torch.ones(50, device=GPU1, requires_grad=True)

    out = checkpoint(F.dropout, x, use_reentrant=reentrant)
    out.sum().backward()

    assert x.grad.device == GPU1
    assert torch.equal(x.grad, out.detach())


def test_function_transforms_stay_on_a_device(machine):
    """``torch.func`` and ``vmap`` see the device of what they wrap."""
    x = torch.arange(4.0, device=GPU1).reshape(2, 2)

    mapped = torch.vmap(lambda row: row + torch.ones(2, device=row.device))(x)
    slope = torch.func.grad(lambda a: (a**2).sum())(x)

    assert (mapped.device, slope.device) == (GPU1, GPU1)
    assert (mapped.tolist(), slope.tolist()) == ([[1, 2], [3, 4]], [[0, 2], [4, 6]])


def test_a_spectrum_on_a_device_is_that_of_the_cpu(machine):
    """``stft`` is written in Python, pads by another such function, and goes on under its own name."""
    X = torch.arange(16.0).sin()
    expected = torch.stft(X, 4, window=torch.ones(4), return_complex=True)

    found = torch.stft(X.to(GPU1), 4, window=torch.ones(4, device=GPU1), return_complex=True)

    assert found.device == GPU1
    assert torch.equal(found.cpu(), expected)


def test_a_gradient_scaler_works_on_a_device(machine):
    """``GradScaler`` scales, unscales and steps, with one host read for the check."""
    net = nn.Linear(2, 1, device=GPU0)
    optimizer, scaler = torch.optim.SGD(net.parameters(), lr=0.5), torch.amp.GradScaler("cuda", init_scale=8.0)
    before = net.weight.tolist()

    scaler.scale(net(torch.ones(1, 2, device=GPU0)).sum()).backward()
    scaler.step(optimizer)
    scaler.update()

    assert torch.allclose(net.weight.cpu(), torch.tensor(before) - 0.5)
    assert scaler.get_scale() == 8


def test_compile_gives_the_program_back_as_it_is(machine):
    """``torch.compile`` runs a program uncompiled, in each of its spellings, and places its results rightly."""

    def double(x):
        return x * 2 + torch.ones(2, device=x.device)

    compiled = [torch.compile(double), torch.compile(backend="eager")(double)]
    out = [run(torch.ones(2, device=GPU1)) for run in compiled]

    assert compiled == [double, double]
    assert [(o.device, o.tolist()) for o in out] == [(GPU1, [3, 3])] * 2


def test_activations_can_be_kept_on_the_cpu(machine):
    """Hooks that torch calls from within an operation see devices too: what is saved is copied away and back."""
    x = torch.ones(4, device=GPU1, requires_grad=True)

    with torch.autograd.graph.save_on_cpu():
        out = (x * 3).exp()
    copies = machine.transfers.copies
    out.sum().backward()

    assert (copies, machine.transfers.copies) == (1, 2)
    assert (x.grad.device, x.grad.shape) == (GPU1, (4,))


# nn.DataParallel.


@pytest.mark.parametrize("devices", [None, [1, 0], [1]])
def test_data_parallel_trains_like_one_net(devices):
    """DataParallel splits the batch, runs a replica on each device and adds the gradients up on the first."""

    def train(device):
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).to(device)
        run = nn.DataParallel(net, device_ids=devices) if device != CPU else net
        optimizer, X = torch.optim.SGD(net.parameters(), lr=0.1), torch.rand(7, 3)
        for _ in range(3):
            optimizer.zero_grad()
            loss = run(X.to(device)).square().mean()
            loss.backward()
            optimizer.step()
        assert {p.grad.device for p in net.parameters()} == {loss.device} == {device}
        return [p.detach().cpu() for p in net.parameters()]

    with pretend_gpus(2) as machine:
        found = train(torch.device("cuda", devices[0] if devices else 0))
    lanes = {event.lane for event in machine.timeline if event.name == "addmm"}

    assert all(torch.allclose(a, b) for a, b in zip(found, train(CPU), strict=True))
    assert lanes == ({"cuda:1"} if devices == [1] else {"cuda:0", "cuda:1"})


def test_the_parts_of_data_parallel_work_alone(machine):
    """Scatter, broadcast, gather and the sum across devices are there for programs of one's own."""
    X = torch.arange(6.0, device=GPU0).reshape(3, 2)

    parts = nn.parallel.scatter(X, [0, 1])
    copies = nn.parallel.comm.broadcast(X, [0, 1])
    total = nn.parallel.comm.reduce_add(copies, 1)

    assert [part.device for part in parts] == [copy.device for copy in copies] == [GPU0, GPU1]
    assert torch.equal(nn.parallel.gather(parts, 0), X)
    assert (total.device, total.sum().item()) == (GPU1, 30)


def test_gather_and_sum_take_an_axis_and_the_current_device(machine):
    """Parts are joined along any axis; without a destination the current device takes what is gathered or added."""
    parts = [torch.ones(2, 1, device=device) for device in (GPU0, GPU1)]
    torch.cuda.set_device(1)

    joined = nn.parallel.comm.gather(parts, 1)
    total = nn.parallel.comm.reduce_add(parts)

    assert (joined.shape, joined.device) == ((2, 2), GPU1)
    assert (total.tolist(), total.device) == ([[2], [2]], GPU1)


def test_the_parts_of_data_parallel_fill_tensors_that_are_there(machine):
    """With ``out`` what is copied, split or joined goes into tensors of the caller's, of sizes of their own."""
    X = torch.arange(6.0, device=GPU0).reshape(3, 2)
    copies = [torch.empty(3, 2, device=device) for device in (GPU0, GPU1)]
    parts = [torch.empty(1, 2, device=GPU1), torch.empty(2, 2, device=GPU0)]
    joined = torch.empty(3, 2, device=GPU1)

    nn.parallel.comm.broadcast(X, out=copies)
    nn.parallel.comm.scatter(X, out=parts)
    nn.parallel.comm.gather([part.to(GPU0) for part in parts], out=joined)

    assert [copy.tolist() for copy in [*copies, joined]] == [X.tolist()] * 3
    assert [part.tolist() for part in parts] == [[[0, 1]], [[2, 3], [4, 5]]]


def test_the_parts_of_data_parallel_refuse_in_torchs_words(machine):
    """What torch checks in Python it checks here: the sum has to be where one of its terms is."""
    with pytest.raises(RuntimeError, match="reduce_add expects destination to be on the same GPU with one of the"):
        nn.parallel.comm.reduce_add([torch.ones(2, device=GPU0)], 1)


def test_scattering_from_the_host_copies_in_streams_of_this_machine():
    """Each device's part has a stream of its own to arrive in; torch keeps such streams, a machine must not."""
    for _ in range(2):
        with pretend_gpus(2) as machine:
            parts = nn.parallel.scatter(torch.arange(4.0), [0, 1])
            assert [part.tolist() for part in parts] == [[0, 1], [2, 3]]
            assert {event.lane for event in machine.timeline} >= {"copy cpu→cuda:0", "copy cpu→cuda:1"}


def test_what_a_build_for_the_cpu_lacks_it_lacks_again_afterwards():
    """Inside a block torch's own Python finds what it calls on a device; elsewhere nothing has changed."""
    before = hasattr(torch._C, "_broadcast")
    found = []

    def elsewhere():
        try:
            nn.parallel.comm.broadcast(torch.ones(1), [0])
        except (AttributeError, RuntimeError) as error:
            found.append(str(error))

    with pretend_gpus(2):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    assert hasattr(torch._C, "_broadcast") is before
    assert len(found) == 1
    assert before or found == ["module 'torch._C' has no attribute '_broadcast'"]


def test_parallel_apply_hands_each_replica_its_own_arguments(machine):
    """Replicas run on their inputs, with a dict of keywords each, or none."""
    nets = [nn.Bilinear(1, 1, 1, device=device) for device in (GPU0, GPU1)]
    rows = [(torch.ones(3, 1, device=device),) for device in (GPU0, GPU1)]
    named = [{"input2": torch.ones(3, 1, device=device)} for device in (GPU0, GPU1)]

    with_names = nn.parallel.parallel_apply(nets, rows, named)
    without = nn.parallel.parallel_apply(nets, [(row[0], row[0]) for row in rows])

    assert [out.device for out in with_names] == [GPU0, GPU1]
    assert all(torch.equal(one, other) for one, other in zip(with_names, without, strict=True))


# What is not covered.


@pytest.mark.parametrize(
    ("use", "named"),
    [
        (lambda X: torch.cuda.memory_snapshot(), "torch.cuda.memory_snapshot"),
        (lambda X: torch.cuda.utilization(), "torch.cuda.utilization"),
        (lambda X: torch.cuda.graph_pool_handle(), "torch.cuda.graph_pool_handle"),
        (lambda X: torch.jit.trace(torch.sin, X), "torch.jit.trace"),
        (lambda X: X.to_sparse(), "torch.sparse_coo"),
        (lambda X: torch.utils.dlpack.from_dlpack(X), "Tensor.__dlpack"),
        (lambda X: X.__cuda_array_interface__, "Tensor.__cuda_array_interface__"),
    ],
)
def test_what_is_not_covered_is_refused_by_name(machine, use, named):
    """A function that a pretended machine has no answer for says so, and is never answered wrongly."""
    X = torch.ones(2, 2, device=GPU0)

    with pytest.raises(NotImplementedError, match="is not covered by pretend_gpus: ") as caught:
        use(X)

    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("use", "advice"),
    [
        (
            lambda: torch.cuda.ExternalStream(7),
            "torch.cuda.ExternalStream of a handle is not covered by pretend_gpus: make a stream with "
            "torch.cuda.Stream(device)",
        ),
        (
            lambda: torch.jit.trace(torch.sin, torch.ones(1)),
            "torch.jit.trace is not covered by pretend_gpus: it would record the CPU as each tensor's device; trace "
            "outside the block",
        ),
    ],
)
def test_what_is_not_covered_comes_with_advice(machine, use, advice):
    """The error says why, and what to do instead."""
    with pytest.raises(NotImplementedError) as caught:
        use()

    assert str(caught.value) == advice


def test_every_function_of_torch_cuda_is_answered_refused_or_harmless(machine):
    """No function of torch.cuda or torch.accelerator reaches the computer's own devices from inside a block."""
    for owner in (torch.cuda, torch.accelerator):
        functions = [name for name in owner.__all__ if isinstance(getattr(owner, name, None), type(pytest.raises))]

        untouched = {name for name in functions if not hasattr(getattr(owner, name), "__wrapped__")}

        assert functions
        assert untouched <= patches.HARMLESS


def enter_and_leave(context):
    """Run an empty block."""
    with context:
        pass


@pytest.mark.parametrize(
    "use",
    [
        lambda: enter_and_leave(torch.autocast("cpu", dtype=torch.bfloat16)),
        lambda: enter_and_leave(torch.autocast("cuda", enabled=False)),
        lambda: nn.Linear(2, 2).to("meta"),
        lambda: torch.utils.dlpack.from_dlpack(torch.ones(2)),
        lambda: torch.ones(2).to_sparse().sum(),
        lambda: torch.cuda.empty_cache(),
        lambda: torch.cuda.init(),
    ],
)
def test_what_touches_no_device_is_let_through(machine, use):
    """What concerns the CPU alone, or does nothing, raises no error and moves nothing."""
    use()

    assert machine.transfers.copies == 0


def test_refusals_end_with_the_block():
    """Outside, torch answers again, and in another thread it never stopped."""
    with pretend_gpus(1), pytest.raises(NotImplementedError):
        torch.cuda.set_per_process_memory_fraction(0.5)

    assert torch.cuda.memory_allocated() >= 0
