"""What is refused where devices mix."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from d2lcompute import synchronize
from tests.pretend.machine.pretend_support import CPU, GPU0, GPU1, MIXED


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
