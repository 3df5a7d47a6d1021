"""Devices, on machines with and without accelerators (stand-ins for torch.accelerator)."""

import numpy as np
import pytest
import torch

from d2lcompute import cpu, gpu, num_gpus, synchronize, try_all_gpus, try_gpu


class Accelerators:
    """What torch.accelerator says on a machine with a given number of accelerators of a type."""

    def __init__(self, kind, count):
        self.kind, self.count, self.waited = kind, count, []

    def is_available(self):
        return self.count > 0

    def device_count(self):
        return self.count

    def current_accelerator(self, check_available=False):
        return torch.device(self.kind) if self.kind else None

    def synchronize(self, device=None):
        if not self.count:
            raise RuntimeError("no accelerator")
        self.waited.append(device)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that puts this test on a machine with so many accelerators."""

    def make(kind, count):
        accelerators = Accelerators(kind, count)
        monkeypatch.setattr(torch, "accelerator", accelerators)
        monkeypatch.delenv("D2LCOMPUTE_DEVICE", raising=False)
        return accelerators

    return make


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_try_gpu_finds_every_kind_of_accelerator(machine, kind):
    """CUDA, Apple's MPS and Intel's XPU are all found through torch.accelerator."""
    machine(kind, 1)

    assert try_gpu() == torch.device(kind, 0)
    assert try_all_gpus() == [torch.device(kind, 0)]
    assert gpu(1) == torch.device(kind, 1)
    assert num_gpus() == 1


def test_try_gpu_falls_back_where_the_number_is_too_high(machine):
    """With two accelerators the third is the CPU."""
    machine("cuda", 2)

    assert [try_gpu(i) for i in range(3)] == [torch.device("cuda:0"), torch.device("cuda:1"), cpu()]
    assert try_all_gpus() == [torch.device("cuda:0"), torch.device("cuda:1")]


@pytest.mark.parametrize("kind", [None, "cuda"])
def test_without_accelerators_everything_is_the_cpu(machine, kind):
    """No accelerator, and a CUDA build without a card, both give the CPU; try_all_gpus is never empty."""
    machine(kind, 0)

    assert num_gpus() == 0
    assert try_gpu() == cpu()
    assert try_all_gpus() == [cpu()]
    assert gpu(2) == torch.device("cuda:2")


def test_variable_hides_the_accelerators(machine, monkeypatch):
    """D2LCOMPUTE_DEVICE=cpu makes a machine with accelerators answer as one without."""
    machine("cuda", 2)
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", "cpu")

    assert (num_gpus(), try_gpu(), try_all_gpus()) == (0, cpu(), [cpu()])


@pytest.mark.parametrize("value", ["", "auto", "AUTO "])
def test_variable_auto_means_what_is_there(machine, monkeypatch, value):
    """An empty variable and 'auto' change nothing."""
    machine("xpu", 1)
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", value)

    assert try_gpu() == torch.device("xpu:0")


@pytest.mark.parametrize("value", ["gpu", "cuda:0", "none"])
@pytest.mark.parametrize("function", [num_gpus, try_gpu, try_all_gpus, gpu])
def test_variable_that_is_not_understood_raises(machine, monkeypatch, value, function):
    """Any other value is refused, and the accepted ones are named."""
    machine(None, 0)
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", value)

    with pytest.raises(ValueError, match=r"D2LCOMPUTE_DEVICE must be 'cpu' .* or 'auto' .*; got '" + value):
        function()


@pytest.mark.parametrize("function", [gpu, try_gpu])
def test_index_must_be_an_integer_from_0(function):
    """A negative number, a fraction, a text and a truth value are refused by name; NumPy's integers are integers."""
    with pytest.raises(ValueError, match="i must be 0 or more, the number of an accelerator, counted from 0; got -1"):
        function(-1)
    for wrong, kind in ((0.0, "float"), ("0", "str"), (True, "bool"), (None, "NoneType")):
        with pytest.raises(
            TypeError,
            match=rf"i must be an integer, the number of an accelerator, counted from 0; got {wrong!r} \({kind}\)$",
        ):
            function(wrong)
    assert function(np.int64(0)) == function(0)


def test_synchronize_waits_for_the_device_that_is_named(machine):
    """The named accelerator is waited for; by default the current one."""
    accelerators = machine("cuda", 2)

    synchronize()
    synchronize("cuda:1")
    synchronize(torch.device("cuda:0"))

    assert accelerators.waited == [None, "cuda:1", torch.device("cuda:0")]


def test_synchronize_is_nothing_where_there_is_nothing_to_wait_for(machine):
    """The CPU and the meta device need no waiting, and neither does a machine without accelerators."""
    accelerators = machine("cuda", 1)
    synchronize("cpu")
    synchronize(torch.device("meta"))

    without = machine(None, 0)
    synchronize()
    synchronize("cpu")

    assert accelerators.waited == without.waited == []
