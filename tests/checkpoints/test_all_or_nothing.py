"""Loading a checkpoint that fails halfway leaves everything as it was."""

import itertools
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import CheckpointError, load_checkpoint, restoring, save_checkpoint
from tests.checkpoints.nets import everything, message_of, sgd, small, train


class Failure(nn.Linear):
    """A last layer that loads itself, and then fails in one of the ways in which a layer can."""

    error = ValueError("fails halfway")

    def __init__(self, way=None):
        super().__init__(2, 2)
        self.way, self.memory = way, torch.zeros(2)
        if way == "pre hook":
            self.register_load_state_dict_pre_hook(lambda *_: self.fail("pre hook"))
        if way == "post hook":
            self.register_load_state_dict_post_hook(lambda *_: self.fail("post hook"))

    def fail(self, way):
        if self.way == way:
            raise self.error

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        self.fail("load")

    def get_extra_state(self):
        return self.memory.clone()

    def set_extra_state(self, state):
        self.memory.copy_(state)
        self.fail("extra state")


class Once(nn.Linear):
    """A layer that fails after its first loading, and before any other; its memory is the list itself, not a copy."""

    def __init__(self):
        super().__init__(2, 2)
        self.loads, self.memory = 0, [0]
        self.register_load_state_dict_pre_hook(lambda *_: self.fail(self.loads > 0))
        self.register_load_state_dict_post_hook(lambda *_: self.fail(True))

    def fail(self, now):
        if now:
            self.loads += 1
            raise ValueError(f"fails {self.loads}")

    def get_extra_state(self):
        return self.memory

    def set_extra_state(self, state):
        self.memory[:] = state


def test_load_checkpoint_undoes_everything_if_undoing_fails(tmp_path):
    """Where a model cannot be loaded a second time, its tensors are put back one by one."""
    net = Once()
    save_checkpoint(tmp_path / "net.pt", Once(), durable=False)
    before = everything(net)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net)

    assert "could not be put in place (fails 2)" in message
    assert everything(net) == before


class Listing(nn.Linear):
    """A layer whose extra state is its own list, which loading changes in place; then it fails, the first time."""

    def __init__(self, *memory):
        super().__init__(2, 2)
        self.memory, self.fails = list(memory), 1

    def get_extra_state(self):
        return self.memory

    def set_extra_state(self, state):
        self.memory[:] = state
        self.fails -= 1
        if self.fails == 0:
            raise ValueError("fails once")


def test_load_checkpoint_undoes_extra_state_that_changes_in_place(tmp_path):
    """Extra state that a module hands out without copying it is what it was, too."""
    net = Listing(1, 2)
    save_checkpoint(tmp_path / "net.pt", Listing(3), durable=False)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net)

    assert "fails once" in message
    assert net.memory == [1, 2]


class FailingOptimizer(torch.optim.SGD):
    """An optimizer that loads its state and then fails."""

    def load_state_dict(self, state):
        super().load_state_dict(state)
        raise ValueError("fails halfway")


FailingOptimizer.__name__ = "SGD"


@pytest.mark.parametrize(
    "error", [ValueError("fails halfway"), KeyboardInterrupt("fails halfway")], ids=["error", "^C"]
)
@pytest.mark.parametrize("way", ["pre hook", "load", "extra state", "post hook"])
def test_load_checkpoint_undoes_everything_if_the_model_fails(way, error, tmp_path, monkeypatch):
    """When a layer fails while it loads, model, extra state and optimizer are, bit for bit, what they were."""
    monkeypatch.setattr(Failure, "error", error)

    def build(way=None):
        net = nn.Sequential(nn.Linear(3, 2), Failure(way))
        optimizer = sgd(net.parameters())
        train(net, optimizer, 1)
        return net, optimizer

    net, optimizer = build()
    net[1].memory += 1
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    other, other_optimizer = build(way)
    before = everything(other, other_optimizer)

    with pytest.raises((CheckpointError, KeyboardInterrupt), match="fails halfway"):
        load_checkpoint(tmp_path / "net.pt", other, other_optimizer)

    assert everything(other, other_optimizer) == before
    with pytest.raises((ValueError, KeyboardInterrupt)):  # torch's own loading does leave a mixture
        other.load_state_dict(net.state_dict())
    assert everything(other)[0] != before[0]


def test_load_checkpoint_undoes_everything_if_the_optimizer_fails(tmp_path):
    """When the optimizer fails after it has loaded, it and the model are, bit for bit, what they were."""
    net, optimizer = small()
    train(net, optimizer, 1)
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    other, _ = small()
    failing = FailingOptimizer(other.parameters(), lr=0.5, momentum=0.9)
    train(other, failing, 2)
    before = everything(other, failing)

    message = message_of(load_checkpoint, tmp_path / "net.pt", other, failing)

    assert "could not be put in place (fails halfway); the model and the optimizer are what they were" in message
    assert everything(other, failing) == before


def test_load_checkpoint_undoes_everything_if_copying_fails(saved, monkeypatch):
    """When copying into a device fails halfway, what was copied is taken back, and training goes on as before."""
    net, optimizer = small()
    train(net, optimizer, 1)
    before = everything(net, optimizer)
    copy, calls = torch.Tensor.copy_, itertools.count()

    def failing(target, *arguments):
        if next(calls) == 3:
            raise RuntimeError("device lost")
        return copy(target, *arguments)

    monkeypatch.setattr(restoring, "_is_plain", lambda tensor: False)  # as if the model were on an accelerator
    monkeypatch.setattr(torch.Tensor, "copy_", failing)
    message = message_of(load_checkpoint, saved[0], net, optimizer)
    monkeypatch.undo()

    assert "could not be put in place" in message
    assert "device lost" in message
    assert next(calls) > 3
    assert everything(net, optimizer) == before


def test_load_checkpoint_into_tensors_that_copying_may_refuse(saved, monkeypatch):
    """The way that keeps the old values, as for accelerators, loads the same bits as the way that does not."""
    net, optimizer = small()
    monkeypatch.setattr(restoring, "_is_plain", lambda tensor: False)

    load_checkpoint(saved[0], net, optimizer)

    assert everything(net, optimizer) == saved[1]


@pytest.mark.parametrize("kind", ["expanded", "inference"])
def test_load_checkpoint_reports_tensors_that_cannot_be_written(kind, tmp_path):
    """A tensor into which torch cannot copy is an error that changes nothing, also not the layers before it."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Module())
    net[1].register_buffer("mask", torch.zeros(3))
    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    with torch.inference_mode(kind == "inference"):
        net[1].mask = torch.zeros(1).expand(3) if kind == "expanded" else torch.zeros(3)
    nn.init.zeros_(net[0].weight)
    before = everything(net)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net)

    assert "could not be put in place" in message
    assert everything(net) == before


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much memory is private")
def test_load_checkpoint_needs_no_second_copy_in_memory(tmp_path, monkeypatch):
    """While a model is loaded, private memory grows by less than a fifth of it; without mapping it would double."""

    def private_bytes():
        return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024

    net = nn.Linear(4096, 4096, bias=False)
    size, copy, seen = net.weight.nbytes, torch._foreach_copy_, []
    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    monkeypatch.setattr(torch, "_foreach_copy_", lambda *lists: (copy(*lists), seen.append(private_bytes())))

    before = private_bytes()
    load_checkpoint(tmp_path / "net.pt", net)
    content = torch.load(tmp_path / "net.pt", weights_only=True)
    unmapped = private_bytes()

    assert seen[0] - before < 0.2 * size
    assert unmapped - before > 0.8 * size
    assert content["step"] == 0
