"""Pretended devices: the book's section line by line, where tensors are, what is refused, what is left behind."""

import copy
import re
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import d2lcompute
from d2lcompute import num_gpus, pretend_gpus, synchronize, try_all_gpus, try_gpu
from d2lcompute.pretend.operations import Call
from d2lcompute.pretend.placement import Places

CPU, GPU0, GPU1 = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
MIXED = "Expected all tensors to be on the same device, but found at least two devices, {} and {}!"


@pytest.fixture
def machine():
    """Open a block with two pretended devices for the length of a test."""
    with pretend_gpus(2) as machine:
        yield machine


def mlp():
    """Return a small net with the same parameters at each call."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 1))


# The walk: the book's section, zh 5.6 / en 6.7.


def test_walk_devices_are_named_counted_and_tried(machine):
    """The section's first part: devices have names, can be counted, and are tried for."""
    assert (d2lcompute.cpu(), d2lcompute.gpu(), d2lcompute.gpu(1)) == (CPU, GPU0, GPU1)
    assert num_gpus() == 2
    assert (try_gpu(), try_gpu(10), try_all_gpus()) == (GPU0, CPU, [GPU0, GPU1])


def test_walk_tensors_are_made_on_devices(machine):
    """The second part: a tensor is on the CPU unless it is made elsewhere, and says where it is."""
    x = torch.tensor([1, 2, 3])
    X = torch.ones(2, 3, device=try_gpu())
    Y = torch.rand(2, 3, device=try_gpu(1))

    assert (x.device, X.device, Y.device) == (CPU, GPU0, GPU1)
    assert repr(X) == "tensor([[1., 1., 1.],\n        [1., 1., 1.]], device='cuda:0')"
    assert f"{Y[0, 0]:.4f}" == f"{Y[0, 0].item():.4f}"


def test_walk_copying_makes_addition_possible(machine):
    """The third part: tensors on two devices do not add, a copy on the right one does, and is not made twice."""
    X, Y = torch.ones(2, 3, device=GPU0), torch.rand(2, 3, device=GPU1)

    with pytest.raises(RuntimeError, match=MIXED.format("cuda:0", "cuda:1")):
        X + Y
    Z = X.cuda(1)

    assert (X.device, Z.device, (Y + Z).device) == (GPU0, GPU1, GPU1)
    assert torch.equal((Y + Z).cpu(), Y.cpu() + 1)
    assert Z.cuda(1) is Z


def test_walk_nets_live_on_devices(machine):
    """The fourth part: a net is moved with its parameters, lazy ones too, and computes where it is."""
    X = torch.ones(2, 3, device=GPU0)
    net = nn.Sequential(nn.LazyLinear(1)).to(device=try_gpu())
    out = net(X)

    assert (out.device, net[0].weight.data.device, net[0].bias.device) == (GPU0, GPU0, GPU0)
    with pytest.raises(RuntimeError, match="same device"):
        net(X.cpu())


def test_walk_a_batch_and_a_model_are_moved_before_training(machine):
    """The last part: a trainer moves the model once and each batch, and every loss is a CPU run's."""
    batches = [(torch.rand(8, 3), torch.rand(8, 1)) for _ in range(5)]

    def losses(device):
        net = mlp().to(device)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        found = []
        for batch in batches:
            X, y = (a.to(device) for a in batch)
            optimizer.zero_grad()
            loss = F.mse_loss(net(X), y)
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    assert losses(try_gpu(1)) == losses(CPU)
    assert losses(CPU)[-1] < losses(CPU)[0]


# What answers.


def test_torch_cuda_and_torch_accelerator_answer_for_the_machine(machine):
    """Both of torch's front doors count the pretended devices and name the card."""
    assert torch.cuda.is_available()
    assert torch.cuda.device_count() == torch.accelerator.device_count() == 2
    assert torch.accelerator.current_accelerator() == torch.device("cuda")
    assert torch.cuda.get_device_name(1) == "NVIDIA A100-PCIE-40GB (pretended)"
    assert torch.cuda.get_device_capability() == (8, 0)
    assert torch.cuda.get_device_properties(0).total_memory == 40 * 10**9
    assert torch.cuda.is_bf16_supported()


def test_properties_are_the_cards_figures(machine):
    """The properties of a device hold what the card's data sheet says."""
    properties = torch.cuda.get_device_properties(1)

    assert vars(properties) == {
        "name": "NVIDIA A100-PCIE-40GB (pretended)",
        "total_memory": 40 * 10**9,
        "multi_processor_count": 108,
        "major": 8,
        "minor": 0,
    }


@pytest.mark.parametrize(
    "question", [torch.cuda.get_device_name, torch.cuda.get_device_capability, torch.cuda.get_device_properties]
)
def test_questions_about_a_device_that_is_not_there_are_refused(question):
    """A number beyond the last device, and a device that is none of the pretended, are errors as on a real machine."""
    asked = question.__name__

    with pretend_gpus(2):
        with pytest.raises(RuntimeError, match="invalid device ordinal: cuda:2"):
            getattr(torch.cuda, asked)(2)
        for other in ("cpu", "meta"):
            with pytest.raises(ValueError, match=f"^Expected a cuda device, but got: {other}$"):
                getattr(torch.cuda, asked)(other)


def test_a_machine_inside_another_has_no_real_accelerators():
    """The outer block's devices are pretended too: the inner machine does not count them among those left unused."""
    with pretend_gpus(2), pretend_gpus(1) as inner:
        assert inner.unused_accelerators == 0


def test_the_default_device_of_before_is_back_after_the_block():
    """A default that the block has changed is again what the program had chosen, whatever that was."""
    torch.set_default_device("meta")
    try:
        with pretend_gpus(1):
            torch.set_default_device("cuda")
        after = torch.ones(1).device
    finally:
        torch.set_default_device(None)

    assert after == torch.device("meta")


def test_a_scalar_of_the_cpu_goes_along_for_nothing_and_gets_its_gradient_by_one_copy(machine):
    """A CPU scalar that wants a gradient is part of the order; only the gradient is copied, back to the CPU."""
    scale, X = torch.tensor(2.0, requires_grad=True), torch.arange(3.0, device=GPU1)
    before = machine.transfers.copies

    out = X * scale
    forward = machine.transfers.copies
    out.sum().backward()

    assert (out.device, scale.grad.device, scale.grad.item()) == (GPU1, CPU, 3)
    assert (forward - before, machine.transfers.copies - before) == (0, 1)


def test_a_scalar_of_the_cpu_goes_along_for_nothing_without_gradients_too(machine):
    """A parameter without dimensions that scales a tensor inside no_grad is part of the order: nothing is copied."""
    scale, X = nn.Parameter(torch.tensor(2.0)), torch.arange(3.0, device=GPU1)
    before = machine.transfers.copies

    with torch.no_grad():
        out = X * scale

    assert (out.device, out.tolist(), machine.transfers.copies) == (GPU1, [0, 2, 4], before)


def test_tensors_on_either_side_say_where_they_are(machine):
    """Each way of asking a tensor for its place gives the answer of a real machine."""
    X, Y = torch.ones(2), torch.ones(2, device=GPU1)

    assert (X.is_cpu, X.is_cuda, X.get_device(), torch.get_device(X)) == (True, False, -1, -1)
    assert (Y.is_cpu, Y.is_cuda, Y.get_device(), torch.get_device(Y)) == (False, True, 1, 1)
    assert (X.type(), Y.type()) == ("torch.FloatTensor", "torch.cuda.FloatTensor")


def test_a_tensors_type_can_be_changed_where_it_is(machine):
    """``type`` takes a dtype by place or by name, and leaves the tensor on its device."""
    Y = torch.ones(2, device=GPU1)

    changed = [Y.type(torch.float64), Y.type(dtype=torch.float64)]

    assert [(each.dtype, each.device) for each in changed] == [(torch.float64, GPU1)] * 2


def test_a_number_alone_is_a_pretended_device(machine):
    """``torch.device(1)`` is the second device, and ``torch.device("cuda", 1)`` the same."""
    assert torch.device(1) == torch.device("cuda", 1) == GPU1


def test_cuda_takes_its_arguments_by_place_and_by_name(machine):
    """``cuda`` goes to the current device where none is named, and knows the names of its arguments."""
    X = torch.ones(2)

    moved = [X.cuda(None), X.cuda(device=None), X.cuda(1), X.cuda(device=GPU1), X.cuda(1, True)]

    assert [each.device for each in moved] == [GPU0, GPU0, GPU1, GPU1, GPU1]


def test_a_pinned_tensor_goes_to_its_device_without_waiting_by_place_and_by_name(machine):
    """The second argument of ``cuda`` lets the host go on while the copy is under way."""
    pinned = torch.ones(1000, 1000).pin_memory()

    for send in (lambda: pinned.cuda(0, True), lambda: pinned.cuda(0, non_blocking=True)):
        start = machine.elapsed_seconds
        send()
        assert machine.elapsed_seconds - start == pytest.approx(5e-6)


@pytest.mark.parametrize(("function", "options"), [(torch.as_tensor, {}), (torch.asarray, {"requires_grad": True})])
def test_what_is_a_tensor_already_keeps_its_history_on_the_way_to_a_device(machine, function, options):
    """``as_tensor`` of a tensor that wants a gradient is part of its graph, and may change the dtype."""
    w = torch.ones(2, requires_grad=True)

    out = function(w, dtype=torch.float64, device=GPU1, **options)
    out.sum().backward()

    assert (out.dtype, out.device) == (torch.float64, GPU1)
    assert w.grad.tolist() == [1, 1]


def test_asarray_without_a_gradient_cuts_the_history(machine):
    """What ``requires_grad`` says to ``asarray`` holds on a device, too."""
    w = torch.ones(2, requires_grad=True)

    assert not torch.asarray(w, requires_grad=False).requires_grad
    assert not torch.asarray(w, requires_grad=False, device=GPU1).requires_grad


def test_current_accelerator_is_none_where_there_is_none():
    """A machine with no devices names no accelerator."""
    with pretend_gpus(0):
        assert torch.accelerator.current_accelerator() is None


def test_set_device_changes_what_cuda_means(machine):
    """``cuda`` without a number is the current device, and a context manager changes it for a while."""
    torch.cuda.set_device(1)
    with torch.cuda.device(0):
        inside = torch.ones(1, device="cuda").device

    assert inside == GPU0
    assert torch.ones(1).cuda().device == torch.ones(1, device="cuda").device == GPU1
    assert torch.cuda.current_device() == torch.accelerator.current_device_index() == 1


def test_pretending_takes_precedence_over_the_environment_variable(monkeypatch):
    """``D2LCOMPUTE_DEVICE=cpu`` hides real accelerators, and does not hide pretended ones."""
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", "cpu")

    with pretend_gpus(1):
        inside = try_gpu()

    assert (inside, try_gpu()) == (GPU0, CPU)


def test_pretend_gpus_zero_is_a_machine_without_accelerators():
    """With none, everything falls back to the CPU, and a named device is refused."""
    with pretend_gpus(0):
        assert (num_gpus(), try_all_gpus(), torch.cuda.is_available()) == (0, [CPU], False)
        with pytest.raises(RuntimeError, match="invalid device ordinal: cuda:0 \\(pretended here: none\\)"):
            torch.ones(1, device="cuda")


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (-1, ValueError, "n must be 0 or more, the number of devices to pretend; got -1"),
        (1.5, TypeError, "n must be an integer, the number of devices to pretend; got 1.5 \\(float\\)"),
        (True, TypeError, "got True \\(bool\\)"),
        ("2", TypeError, "got '2' \\(str\\)"),
    ],
)
def test_pretend_gpus_refuses_what_is_no_count(n, error, message):
    """The number of devices is checked before anything is pretended."""
    with pytest.raises(error, match=message):
        pretend_gpus(n)


def test_repr_says_that_the_machine_is_pretended(machine):
    """A machine that is printed says what it is, and what it has counted."""
    torch.ones(3, device="cuda").sum().item()

    assert repr(machine) == ("Machine(2 × NVIDIA A100-PCIE-40GB (pretended), 1 host reads, 0 copies, 4 bytes copied)")


def test_repr_says_that_real_accelerators_are_not_used(monkeypatch):
    """On a computer with accelerators of its own it pretends all the same, and says so."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 3)

    with pretend_gpus(1) as machine:
        described, inside = repr(machine), torch.accelerator.device_count()

    assert described.startswith("Machine(1 × NVIDIA A100-PCIE-40GB (pretended; 3 real ones are not used), ")
    assert (inside, machine.unused_accelerators, torch.accelerator.device_count()) == (1, 3, 3)


# Where tensors are made.


@pytest.mark.parametrize(
    "make",
    [
        lambda d: torch.ones(2, device=d),
        lambda d: torch.arange(3, device=d),
        lambda d: torch.full((2,), 1.0, device=d),
        lambda d: torch.randn(2, device=d),
        lambda d: torch.tensor([1, 2], device=d),
        lambda d: torch.as_tensor([1.0], device=d),
        lambda d: torch.asarray(np.ones(2), device=d),
        lambda d: torch.as_tensor(torch.ones(2), device=d),
        lambda d: torch.zeros_like(torch.ones(2), device=d),
        lambda d: torch.ones_like(torch.ones(2, device=d)),
        lambda d: torch.rand_like(torch.ones(2, device=d)),
        lambda d: torch.ones(2, device=d).new_zeros(3),
        lambda d: torch.ones(2, device=d).new_tensor([1.0]),
        lambda d: torch.ones(2, device=d).new(3),
        lambda d: torch.ones(2).new_ones(3, device=d),
        lambda d: torch.ones(2).to(d),
        lambda d: torch.ones(2).to(str(d), torch.float64),
        lambda d: torch.ones(2).to(device=d, non_blocking=True),
        lambda d: torch.ones(2).to(d.index),
        lambda d: torch.ones(2).to(torch.ones(1, device=d)),
        lambda d: torch.ones(2).type_as(torch.ones(1, device=d)),
        lambda d: torch.ones(2).cuda(d),
        lambda d: torch.ones(2).cuda(device=d.index),
        lambda d: nn.Linear(2, 2, device=d).weight,
        lambda d: nn.Linear(2, 2).to(d).bias,
        lambda d: nn.Linear(2, 2).cuda(d.index).weight,
        lambda d: nn.BatchNorm1d(2).to(d).running_mean,
        lambda d: torch.nn.utils.rnn.pad_sequence([torch.ones(2, device=d), torch.ones(1, device=d)]),
    ],
)
@pytest.mark.parametrize("device", [GPU0, GPU1])
def test_each_spelling_puts_a_tensor_on_its_device(machine, make, device):
    """A device can be named in every way that torch knows, and what is like a tensor goes where it is."""
    made = make(device)

    assert (made.device, made.is_cuda, made.is_cpu, made.get_device()) == (device, True, False, device.index)


def test_with_torch_device_names_the_device_for_factories(machine):
    """``with torch.device(...)`` works inside a block, and ends with it."""
    with torch.device("cuda:1"):
        made = [torch.ones(2), torch.tensor([1.0]), nn.Linear(2, 2).weight, torch.ones(2, device="cpu")]

    assert [t.device for t in made] == [GPU1, GPU1, GPU1, CPU]
    assert torch.ones(2).device == CPU


def test_factories_without_a_device_stay_on_the_cpu(machine):
    """Nothing moves by itself: a tensor without a device is the CPU's, and so is what numpy hands over."""
    made = [torch.ones(2), torch.tensor([1]), torch.from_numpy(np.ones(2)), torch.ones(2, device=GPU0).cpu()]

    assert [t.device for t in made] == [CPU] * 4


def test_factories_read_sizes_from_devices_and_stay_on_the_cpu(machine):
    """A size or a bound that is on a device is read by the host; the tensor that is made is nobody's but the CPU's."""
    n = torch.tensor(3, device=GPU0)

    made = [torch.arange(n), torch.zeros(n), torch.full((2,), n)]

    assert [t.device for t in made] == [CPU] * 3
    assert [t.tolist() for t in made] == [[0, 1, 2], [0, 0, 0], [3, 3]]
    assert machine.host_reads == 3


def test_to_returns_the_same_tensor_where_nothing_changes(machine):
    """A tensor that is where it should be is not copied, unless a copy is asked for."""
    X = torch.ones(2, device=GPU0)

    assert all(same is X for same in (X.to(GPU0), X.cuda(), X.cuda(0), X.to("cuda"), X.to(X), X.to(torch.float32)))
    assert X.to(GPU0, copy=True) is not X
    assert X.cpu().cpu().device == CPU


def test_views_and_what_shares_memory_share_a_device(machine):
    """A view, a transpose, ``.data``, ``.detach()`` and a slice are where their memory is."""
    X = torch.ones(4, 4, device=GPU1, requires_grad=True)

    assert {t.device for t in (X.T, X[1:], X.view(16), X.detach(), X.data, X.expand(2, 4, 4), *X.split(2))} == {GPU1}


def test_operations_with_several_results_leave_all_on_their_device(machine):
    """Each result of a sort, a decomposition or a maximum is on the operands' device."""
    X = torch.rand(4, 4, device=GPU1)
    results = [*X.sort(), *X.max(0), *torch.linalg.qr(X), *torch.var_mean(X), *X.unique(return_counts=True)]

    assert {t.device for t in results} == {GPU1}


# What is refused.


@pytest.mark.parametrize(
    ("mix", "first", "second"),
    [
        (lambda a, b, c: a + b, "cuda:0", "cuda:1"),
        (lambda a, b, c: b * a, "cuda:1", "cuda:0"),
        (lambda a, b, c: c + a, "cuda:0", "cpu"),
        (lambda a, b, c: a @ c, "cuda:0", "cpu"),
        (lambda a, b, c: torch.cat([c, b]), "cuda:1", "cpu"),
        (lambda a, b, c: torch.stack([a.sum(), c.sum()]), "cuda:0", "cpu"),
        (lambda a, b, c: F.linear(a, b), "cuda:0", "cuda:1"),
        (lambda a, b, c: F.mse_loss(a, c), "cuda:0", "cpu"),
        (lambda a, b, c: a.add_(b), "cuda:0", "cuda:1"),
        (lambda a, b, c: torch.add(a, a, out=b), "cuda:1", "cuda:0"),
        (lambda a, b, c: c.sum().add_(a.sum()), "cuda:0", "cpu"),
        (lambda a, b, c: torch.where(a > 0, a, c), "cuda:0", "cpu"),
        (lambda a, b, c: F.embedding(torch.tensor([0]), a), "cuda:0", "cpu"),
        (lambda a, b, c: torch.equal(a, b), "cuda:0", "cuda:1"),
        (lambda a, b, c: a.gather(0, torch.zeros(1, 2, dtype=torch.long)), "cuda:0", "cpu"),
        (lambda a, b, c: a.index_put_((torch.tensor([0]),), c[:1]), "cuda:0", "cpu"),
    ],
)
def test_mixing_devices_raises_pytorchs_own_words(machine, mix, first, second):
    """Operands on two devices are refused, and both are named; the words are compared with those of a real card."""
    a, b, c = (torch.ones(2, 2, device=d) for d in (GPU0, GPU1, CPU))

    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device, but ") as caught:
        mix(a, b, c)

    assert first in str(caught.value)
    assert second in str(caught.value)


def test_a_scalar_on_the_cpu_may_mix(machine):
    """A tensor without dimensions on the CPU goes with any device, as numbers do."""
    X, s = torch.ones(2, 2, device=GPU1), torch.tensor(3.0)

    assert {t.device for t in (X * s, s - X, torch.where(X > 0, X, s), X.add_(s), X.pow(s))} == {GPU1}


def test_a_scalar_on_a_device_may_not_mix(machine):
    """A tensor without dimensions on a device does not go with the CPU's tensors, nor with another device's."""
    s = torch.tensor(3.0, device=GPU0)

    with pytest.raises(RuntimeError, match=MIXED.format("cuda:0", "cpu")):
        torch.ones(2) * s
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, device=GPU1) * s


def test_indices_may_be_on_the_cpu_but_not_on_another_device(machine):
    """A tensor on a device can be indexed from the CPU; the other way round is refused in PyTorch's words."""
    X, i = torch.arange(4.0, device=GPU0), torch.tensor([1, 3])

    assert (X[i].device, X[[0, 1]].device, X[X > 1].device) == (GPU0, GPU0, GPU0)
    X[i] = 0
    assert X.tolist() == [0, 0, 2, 0]
    with pytest.raises(RuntimeError, match=r"indices should be either on cpu or on the same device .*\(cpu\)"):
        X.cpu()[i.to(GPU0)]


def test_numpy_refuses_a_tensor_on_a_device(machine):
    """``numpy()`` and ``np.asarray`` raise PyTorch's TypeError, and a copy on the CPU mends it."""
    X = torch.ones(2, device=GPU0)
    words = (
        "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
    )

    for convert in (X.numpy, X.requires_grad_().numpy, lambda: np.asarray(X)):
        with pytest.raises(TypeError, match=re.escape(words)):
            convert()
    assert X.detach().cpu().numpy().tolist() == X.numpy(force=True).tolist() == [1, 1]


@pytest.mark.parametrize(
    "use",
    [
        lambda: torch.ones(1, device="cuda:2"),
        lambda: torch.ones(1).cuda(2),
        lambda: torch.ones(1).to("cuda:7"),
        lambda: nn.Linear(1, 1).to("cuda:2"),
        lambda: torch.cuda.set_device(2),
        lambda: synchronize("cuda:2"),
    ],
)
def test_a_device_that_does_not_exist_is_refused(machine, use):
    """A number that is too high raises CUDA's words and says which devices there are."""
    with pytest.raises(RuntimeError, match=r"CUDA error: invalid device ordinal: cuda:[27] .*cuda:0, cuda:1"):
        use()


def test_other_accelerators_are_refused_inside_a_block(machine):
    """A pretended machine has cuda devices only, whatever this computer has."""
    with pytest.raises(RuntimeError, match="pretends cuda devices only; got 'mps'"):
        torch.ones(1, device="mps")


def test_a_generator_of_the_cpu_is_refused_on_a_device(machine):
    """A generator belongs to its device, also where the numbers are pretended to be drawn elsewhere."""
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.rand(2, device=GPU0, generator=torch.Generator())


def test_meta_tensors_are_let_through(machine):
    """``meta`` is no device of the machine, and works as ever."""
    assert torch.ones(2, device="meta").device == torch.ones(2, device=GPU0).to("meta").device == torch.device("meta")


# Gradients and modules.


def test_gradients_cross_devices_and_come_back(machine):
    """A gradient is where its tensor is, at each end of a copy."""
    x = torch.rand(3, requires_grad=True)
    y = x.cuda(0) * 2
    z = y.cuda(1).exp()
    y.retain_grad()
    z.sum().backward()

    assert (x.grad.device, y.grad.device) == (CPU, GPU0)
    assert torch.equal(x.grad, 2 * (2 * x.detach()).exp())


def test_copying_into_a_tensor_crosses_devices(machine):
    """``copy_`` and assignment to a slice take values from any device, and hand gradients back."""
    X, source = torch.zeros(3, device=GPU0), torch.ones(3, device=GPU1, requires_grad=True)

    X.copy_(source)
    Y = torch.zeros(3)
    Y[1:] = source[1:]
    (X.sum() + Y.sum().to(GPU0)).backward()

    assert (X.device, Y.device, X.tolist(), Y.tolist()) == (GPU0, CPU, [1, 1, 1], [0, 1, 1])
    assert (source.grad.device, source.grad.tolist()) == (GPU1, [1, 2, 2])


def test_a_cpu_scalar_gets_its_gradient_on_the_cpu(machine):
    """A learned scalar on the CPU that scales a tensor on a device gets its gradient where it is."""
    s, w = torch.tensor(2.0, requires_grad=True), torch.ones(3, requires_grad=True)
    x = torch.ones(3, device=GPU0, requires_grad=True)

    (x * s * w.sum()).sum().backward()

    assert (s.grad.device, w.grad.device, x.grad.device) == (CPU, CPU, GPU0)
    assert (s.grad.item(), w.grad.tolist(), x.grad.tolist()) == (9, [6, 6, 6], [6, 6, 6])


def test_second_derivatives_cross_devices(machine):
    """``create_graph`` works through a copy between devices."""
    x = torch.tensor([1.0, 2.0], device=GPU0, requires_grad=True)

    (slope,) = torch.autograd.grad((x.cuda(1) ** 3).sum(), x, create_graph=True)
    slope.sum().backward()

    assert (slope.device, x.grad.device, x.grad.tolist()) == (GPU0, GPU0, [6, 12])


def test_hooks_see_gradients_on_their_devices(machine):
    """What runs during backward is pretended to as well: hooks, and tensors that they make."""
    seen = []
    x = torch.rand(3, device=GPU1, requires_grad=True)
    y = x * 2
    y.register_hook(
        lambda g: seen.append((g.device, torch.zeros_like(g).device, torch.ones(1, device=g.device).device))
    )

    y.sum().backward()

    assert seen == [(GPU1, GPU1, GPU1)]


def test_a_gradient_that_torch_makes_itself_goes_where_it_is_used_first(machine):
    """Zeros for a result that nobody used are on no device until they meet a tensor: alone, or in a list."""
    seen = []

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, used, unused):
            out = torch._foreach_add([unused], [used])[0] if Pair.in_a_list else unused + used
            seen.append((unused.device, out.device))
            return 2 * out

    for Pair.in_a_list in (False, True):
        x = torch.ones(3, device=GPU1, requires_grad=True)
        Pair.apply(x)[0].sum().backward()
        seen.append(x.grad.tolist())

    assert seen == [(GPU1, GPU1), [2, 2, 2]] * 2


def test_assigning_a_gradient_from_elsewhere_is_refused(machine):
    """``.grad`` has to be on its tensor's device."""
    x = torch.ones(2, device=GPU0)

    x.grad = torch.ones(2, device=GPU0)
    with pytest.raises(RuntimeError, match="assigned grad has data located on a different device"):
        x.grad = torch.ones(2, device=GPU1)
    with pytest.raises(RuntimeError, match="gradient with device type 'cpu' to a tensor with device type 'cuda'"):
        x.grad = torch.ones(2)


def test_a_gradient_that_a_function_puts_elsewhere_is_caught_by_the_optimizer(machine):
    """A backward of one's own that forgets the device is refused when its gradient is used."""

    class Careless(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return torch.ones(2)

    x = torch.ones(2, device=GPU0, requires_grad=True)
    Careless.apply(x).sum().backward()

    with pytest.raises(RuntimeError, match=MIXED.format("cuda:0", "cpu")):
        torch.optim.SGD([x], lr=0.1).step()


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.MaxPool2d(2), nn.LazyLinear(3)), (2, 1, 6, 6)),
        (lambda: nn.TransformerEncoderLayer(6, 2, 8, batch_first=True, dropout=0.0), (2, 5, 6)),
        (lambda: nn.MultiheadAttention(6, 2, add_zero_attn=True, add_bias_kv=True), None),
        (lambda: nn.LSTM(6, 4, batch_first=True), (2, 5, 6)),
        (lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.LayerNorm(6), nn.GELU()), (2, 6)),
    ],
)
def test_modules_compute_on_a_device_what_they_compute_on_the_cpu(make, shape):
    """Forward, gradients and buffers of torch's own modules are equal to a CPU run's, and all on the device."""

    def run(device):
        torch.manual_seed(2)
        net = make().to(device)
        X = torch.rand(shape or (4, 2, 6)).to(device)
        out = net(X) if shape else net(X, X, X)
        out = out[0] if isinstance(out, tuple) else out
        out.square().sum().backward()
        found = [out, *net.parameters(), *net.buffers(), *(p.grad for p in net.parameters())]
        assert {t.device for t in found} == {device}
        return [t.detach().cpu() for t in found]

    expected = run(CPU)
    with pretend_gpus(2):
        found = run(GPU1)

    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
        (torch.optim.SGD, {"nesterov": True, "momentum": 0.9}),
        (torch.optim.SGD, {"fused": True}),
        (torch.optim.Adam, {}),
        (torch.optim.Adam, {"foreach": False}),
        (torch.optim.Adam, {"fused": True}),
        (torch.optim.AdamW, {"amsgrad": True}),
        (torch.optim.RMSprop, {}),
    ],
)
def test_optimizers_step_on_two_devices_as_on_the_cpu(make, settings):
    """A net spread over two devices trains to the same bits as on the CPU, and the state is where its parameter is."""

    def train(first, second):
        net = mlp()
        net[0].to(first)
        net[2].to(second)
        net[3].to(second)
        optimizer = make(net.parameters(), lr=0.05, **settings)
        X = torch.rand(8, 3, generator=torch.Generator().manual_seed(3)).to(first)
        y = torch.ones(8, 1, device=second)
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(net[2:](net[:2](X).to(second)), y).backward()
            optimizer.step()
        for p in net.parameters():
            assert all(v.device == p.device for k, v in optimizer.state[p].items() if k != "step" and v is not None)
        return [p.detach().cpu() for p in net.parameters()]

    expected = train(CPU, CPU)
    with pretend_gpus(2):
        found = train(GPU0, GPU1)

    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_moving_a_module_keeps_its_parameters_identity(machine):
    """``to`` moves what the parameters hold, so that an optimizer made before goes on."""
    net = mlp()
    before = [id(p) for p in net.parameters()]
    net(torch.rand(4, 3)).sum().backward()

    net.cuda(1)

    assert [id(p) for p in net.parameters()] == before
    assert {t.device for t in (*net.parameters(), *net.buffers(), *(p.grad for p in net.parameters()))} == {GPU1}


def test_state_dicts_load_across_devices(machine):
    """``state_dict`` says where its tensors are, and ``load_state_dict`` copies to where the net is."""
    there, here = mlp().to(GPU0), mlp().to(GPU1)
    with torch.no_grad():
        there[0].weight.fill_(7)

    state = there.state_dict()
    here.load_state_dict(state)

    assert {t.device for t in state.values()} == {GPU0}
    assert {t.device for t in here.state_dict().values()} == {GPU1}
    assert (here[0].weight == 7).all()


def test_deepcopy_stays_on_the_device(machine):
    """A copied net, tensor or gradient is on the original's device, and shared memory stays shared."""
    net, x = mlp().to(GPU1), torch.ones(4, device=GPU0, requires_grad=True)
    x.sum().backward()

    twin, (y, head) = copy.deepcopy(net), copy.deepcopy([x.detach(), x.detach()[:2]])
    z = copy.deepcopy(x)
    y.fill_(5)

    assert {p.device for p in twin.parameters()} == {GPU1}
    assert (y.device, z.device, z.grad.device) == (GPU0, GPU0, GPU0)
    assert (head.tolist(), x.tolist()) == ([5, 5], [1, 1, 1, 1])


def test_random_numbers_are_those_of_the_cpu():
    """The devices share the CPU's generator, so one seed gives the same numbers with and without them."""
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))

    with pretend_gpus(1):
        torch.manual_seed(5)
        first = torch.rand(3, device=GPU0).cpu()
        torch.cuda.manual_seed(5)
        with torch.random.fork_rng():
            torch.rand(7, device=GPU0)
        second = torch.rand(3).to(GPU0).cpu()

    assert torch.equal(first, expected)
    assert torch.equal(second, expected)


# What is left behind.


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
    places, zeros = Places(), Call(torch.ops.aten.zeros.default, ([2],), {})

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

    thread = threading.Thread(
        target=lambda: seen.extend([X.device, torch.cuda.device_count(), num_gpus(), (X + 1).device])
    )
    thread.start()
    thread.join()

    assert seen == [CPU, 0, 0, CPU]
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
    assert torch.cuda.device_count() == 0


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
