"""What a pretended machine answers where it is asked for devices."""

import pytest
import torch
from torch import nn

from d2lcompute import num_gpus, pretend_gpus, try_all_gpus, try_gpu
from d2lcompute.pretend.torch_hooks.handler import ANSWERS, HANDLERS, answers, handles
from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1


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

    machine.unused_accelerators = 0  # on a computer that has some it would tell of them
    assert repr(machine) == "Machine(2 × NVIDIA A100-PCIE-40GB (pretended), 1 host reads, 0 copies, 4 bytes copied)"


def test_repr_says_that_real_accelerators_are_not_used(monkeypatch):
    """On a computer with accelerators of its own it pretends all the same, and says so."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 3)

    with pretend_gpus(1) as machine:
        described, inside = repr(machine), torch.accelerator.device_count()

    assert described.startswith("Machine(1 × NVIDIA A100-PCIE-40GB (pretended; 3 real ones are not used), ")
    assert (inside, machine.unused_accelerators, torch.accelerator.device_count()) == (1, 3, 3)


def test_a_second_registration_is_refused():
    """A torch function has one handler and an attribute of torch one answer: a second one does not silently win."""
    handlers, answered = dict(HANDLERS), list(ANSWERS)

    with pytest.raises(ValueError, match=r"must have one handler; got a second one, again"):
        handles(torch.tensor)(again)
    with pytest.raises(ValueError, match=r"torch\.cuda.*synchronize must have one answer; got a second one, again"):
        answers(torch.cuda, "synchronize")(again)

    assert handlers == HANDLERS
    assert answered == ANSWERS


def again(*_):
    """Stand for a second function that wants an occupied place."""
