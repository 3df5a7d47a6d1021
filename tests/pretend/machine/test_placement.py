"""Where tensors are made, and where results are."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1


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
