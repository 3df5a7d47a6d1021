"""Checkpoints: everything that was saved comes back."""

import os
from collections import OrderedDict

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import load_checkpoint, save_checkpoint
from tests.checkpoints.nets import Remembering, bits, everything, small, train

OPTIMIZERS = {
    "Adadelta": {},
    "Adafactor": {},
    "Adagrad": {},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "ASGD": {},
    "LBFGS": {"max_iter": 3},
    "NAdam": {},
    "RAdam": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Rprop": {},
    "SGD": {"momentum": 0.9, "nesterov": True},
}


def test_load_checkpoint_returns_all_that_was_saved(saved):
    """Model, optimizer, step and extra values come back bit for bit."""
    path, expected = saved
    net, optimizer = small()

    loaded = load_checkpoint(path, net, optimizer)

    assert everything(net, optimizer) == expected
    assert (loaded.path, loaded.step, loaded.extra["loss"]) == (path, 2, 0.5)
    assert torch.equal(loaded.extra["best"], torch.arange(3))


def test_load_checkpoint_loads_the_model_alone(saved):
    """Without an optimizer the model is loaded, whatever optimizer it was trained with."""
    path, expected = saved
    net, _ = small()

    load_checkpoint(path, net)

    assert everything(net)[0] == expected[0]


def test_load_checkpoint_keeps_parameters_where_they_are(saved):
    """Loading fills the parameters that the net and the optimizer hold, and replaces none."""
    net, optimizer = small()
    before = [(id(tensor), tensor.data_ptr()) for tensor in net.state_dict(keep_vars=True).values()]

    load_checkpoint(saved[0], net, optimizer)

    assert [(id(tensor), tensor.data_ptr()) for tensor in net.state_dict(keep_vars=True).values()] == before
    assert all(a is b for a, b in zip(net.parameters(), optimizer.param_groups[0]["params"], strict=True))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_load_checkpoint_resumes_as_if_never_stopped(name, tmp_path):
    """Three steps, a checkpoint and three more give the same bits as six steps, with every optimizer."""

    def fresh(seed):
        torch.manual_seed(seed)
        net = small()[0]
        return net, getattr(torch.optim, name)(net.parameters(), lr=0.01, **OPTIMIZERS[name])

    net, optimizer = fresh(1)
    train(net, optimizer, 3)
    save_checkpoint(tmp_path / "net.pt", net, optimizer, step=3, durable=False)
    train(net, optimizer, 3, seed=1)

    resumed = fresh(2)
    load_checkpoint(tmp_path / "net.pt", *resumed)
    train(*resumed, 3, seed=1)

    assert everything(*resumed) == everything(net, optimizer)


def test_load_checkpoint_resumes_groups_and_scheduler(tmp_path):
    """Options of each group and what a scheduler wrote into them come back; a scheduler's state travels as extra."""

    def fresh():
        net = small()[0]
        groups = [{"params": net[0].parameters(), "lr": 0.5}, {"params": net[3].parameters(), "weight_decay": 0.1}]
        return net, torch.optim.SGD(groups, lr=0.1, momentum=0.9)

    net, optimizer = fresh()
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    train(net, optimizer, 2)
    scheduler.step()
    save_checkpoint(tmp_path / "net.pt", net, optimizer, extra={"scheduler": scheduler.state_dict()}, durable=False)

    net2, optimizer2 = fresh()
    scheduler2 = torch.optim.lr_scheduler.ExponentialLR(optimizer2, 0.5)
    scheduler2.load_state_dict(load_checkpoint(tmp_path / "net.pt", net2, optimizer2).extra["scheduler"])
    without_scheduler = fresh()
    load_checkpoint(tmp_path / "net.pt", *without_scheduler)

    assert [group["lr"] for group in optimizer2.param_groups] == [0.25, 0.05]
    assert everything(net2, optimizer2) == everything(net, optimizer)
    assert scheduler2.last_epoch == 1
    assert without_scheduler[1].param_groups[0]["initial_lr"] == 0.5


class Counting(torch.optim.SGD):
    """An optimizer with a state of its own, beside that of the parameters."""

    def step(self, closure=None):
        self.state["all"]["steps"] = self.state["all"].get("steps", torch.zeros(())) + 1
        return super().step(closure)


def test_load_checkpoint_loads_an_optimizers_own_state(tmp_path):
    """State that belongs to no parameter comes back, too."""
    net, _ = small()
    optimizer = Counting(net.parameters(), lr=0.1)
    train(net, optimizer, 3)
    other, _ = small()
    other_optimizer = Counting(other.parameters(), lr=0.1)

    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    load_checkpoint(tmp_path / "net.pt", other, other_optimizer)

    assert other_optimizer.state["all"]["steps"] == 3


def test_load_checkpoint_rewinds_an_optimizer(tmp_path):
    """A checkpoint from before the first step empties an optimizer that has taken some."""
    net, optimizer = small()
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    train(net, optimizer, 2)

    load_checkpoint(tmp_path / "net.pt", net, optimizer)

    assert optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize(
    "dtype",
    [torch.float8_e4m3fn, torch.float8_e5m2, torch.bfloat16, torch.complex64, torch.complex128, torch.int8, torch.bool],
    ids=str,
)
def test_save_checkpoint_keeps_every_dtype(dtype, tmp_path):
    """Buffers of any dtype, float8 and complex among them, come back bit for bit."""

    def buffers(seed):
        net = nn.Module()
        values = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)).to(dtype)
        net.register_buffer("values", values)
        net.register_buffer("scalar", values[0, 0].clone())
        return net

    net, other = buffers(1), buffers(2)
    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    load_checkpoint(tmp_path / "net.pt", other)

    assert everything(other) == everything(net)


def test_save_checkpoint_leaves_out_what_is_not_persistent(tmp_path):
    """A buffer that is not persistent is neither saved nor changed."""

    def with_buffers(value):
        net = nn.Linear(2, 2)
        net.register_buffer("kept", torch.full((2,), value))
        net.register_buffer("cache", torch.full((2,), value), persistent=False)
        return net

    net = with_buffers(2.0)
    save_checkpoint(tmp_path / "net.pt", with_buffers(1.0), durable=False)
    load_checkpoint(tmp_path / "net.pt", net)

    assert net.kept.tolist() == [1, 1]
    assert net.cache.tolist() == [2, 2]


def test_save_checkpoint_keeps_extra_state(tmp_path):
    """What get_extra_state returns comes back through set_extra_state, and outlives the file."""
    path, net = tmp_path / "net.pt", Remembering()
    save_checkpoint(path, Remembering({"seen": torch.arange(1000), "names": ["a", "b"]}), durable=False)

    load_checkpoint(path, net)
    with open(path, "r+b") as file:  # a memory that still showed the file would show this
        file.write(bytes(path.stat().st_size))

    assert torch.equal(net.memory["seen"], torch.arange(1000))
    assert net.memory["names"] == ["a", "b"]


def test_load_checkpoint_copies_extra_values_and_momentum(saved):
    """Extra tensors and the optimizer's are no views of the file: they stay when it is overwritten in place."""
    path, expected = saved
    net, optimizer = small()

    loaded = load_checkpoint(path, net, optimizer)
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))

    assert everything(net, optimizer) == expected
    assert torch.equal(loaded.extra["best"], torch.arange(3))


def test_load_checkpoint_copies_lists_of_tensors(tmp_path):
    """What an optimizer keeps in lists, as LBFGS its last steps, is no view of the file either."""
    nets = [nn.Linear(3, 2) for _ in range(2)]
    one, other = (torch.optim.LBFGS(net.parameters(), max_iter=3) for net in nets)
    train(nets[0], one, 2)
    path = tmp_path / "net.pt"
    save_checkpoint(path, nets[0], one, durable=False)

    load_checkpoint(path, nets[1], other)
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))

    assert len(other.state[nets[1].weight]["old_dirs"]) > 1
    assert everything(nets[1], other) == everything(nets[0], one)


@torch.no_grad()
def double(tensor):
    """Double a tensor in place."""
    tensor *= 2


class OwnModule(nn.Linear):
    """A layer with its own way of loading."""

    def _load_from_state_dict(self, *arguments):
        super()._load_from_state_dict(*arguments)
        double(self.weight)


class OwnModel(nn.Linear):
    """A model with its own way of loading."""

    def load_state_dict(self, *arguments, **options):
        result = super().load_state_dict(*arguments, **options)
        double(self.weight)
        return result


@pytest.mark.parametrize("way", ["pre hook", "post hook", "module", "model", "attribute"])
def test_load_checkpoint_respects_a_models_own_way_of_loading(way, tmp_path):
    """Hooks and overridden methods run, and see the loaded weights."""
    net, other = nn.Linear(2, 2), {"module": OwnModule, "model": OwnModel}.get(way, nn.Linear)(2, 2)
    if way == "pre hook":
        other.register_load_state_dict_pre_hook(lambda module, state, *_: double(state["weight"]))
    if way == "post hook":
        other.register_load_state_dict_post_hook(lambda module, _: double(module.weight))
    if way == "attribute":
        usual = other.load_state_dict
        other.load_state_dict = lambda state: (usual(state), double(other.weight))

    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    load_checkpoint(tmp_path / "net.pt", other)

    assert torch.equal(other.weight, 2 * net.weight)


VALUES = [None, True, 2**63, -1.5, float("inf"), 1j, "模型", b"bytes", {1, 2}, (1, "a"), [], {}, {(1, 2): 3}]


VALUES += [torch.int8, torch.Size([2]), torch.device("cpu"), OrderedDict(a=1), torch.ones(2).to_sparse()]


@pytest.mark.filterwarnings("ignore:Validating sparse tensor invariants:UserWarning")  # torch 2.14 tells what it costs
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_save_checkpoint_keeps_extra_values(value, tmp_path):
    """Whatever torch.load accepts without running code comes back as it was."""
    path, net = tmp_path / "net.pt", nn.Linear(1, 1)

    save_checkpoint(path, net, extra={"value": value, "list": [value]}, durable=False)
    extra = load_checkpoint(path, net).extra

    assert type(extra["value"]) is type(value)
    assert str(extra) == str({"value": value, "list": [value]})


@pytest.mark.parametrize(
    "build",
    [
        nn.ReLU,
        lambda: nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last),
        lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
        lambda: torch.nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2)),
        lambda: nn.LSTM(2, 3, num_layers=2),
        lambda: nn.MultiheadAttention(4, 2),
        lambda: nn.ParameterDict({"a": torch.zeros(0, 3), "b": torch.tensor(1.5)}),
    ],
    ids=["empty", "channels last", "weight norm", "spectral norm", "LSTM", "attention", "ParameterDict"],
)
def test_save_checkpoint_keeps_models_of_all_kinds(build, tmp_path):
    """Models without parameters, with strides of their own, with parametrizations and with empty tensors come back."""
    net, other = build(), build()

    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    load_checkpoint(tmp_path / "net.pt", other)

    assert everything(other) == everything(net)


def test_save_checkpoint_writes_the_same_bytes_twice(tmp_path):
    """The same state gives the same file, whatever its name: no name or time gets into it."""
    net, optimizer = small()

    for name in ("a.pt", "b.ckpt"):
        save_checkpoint(tmp_path / name, net, optimizer, step=1, durable=False)

    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.ckpt").read_bytes()


def test_save_checkpoint_is_read_by_torch_alone(saved):
    """A learner without this package gets at everything with torch.load, safely."""
    content = torch.load(saved[0], weights_only=True)

    assert (content["step"], content["extra"]["loss"]) == (2, 0.5)
    assert bits(dict(content["model"])) == saved[1][0]
    assert bits(content["optimizer"]["state_dict"]) == saved[1][1]


@pytest.mark.parametrize(
    "name",
    ["模型 ünï.pt", "no suffix", "n" * (90 if os.name == "nt" else 250) + ".pt", "🜚" * 50 + ".pt", ".hidden"],
)
def test_save_checkpoint_takes_any_name(name, tmp_path):
    """Spaces, other scripts, long names and missing suffixes make names like any other."""
    net, other = nn.Linear(2, 2), nn.Linear(2, 2)

    save_checkpoint(str(tmp_path / name), net, durable=False)
    load_checkpoint(str(tmp_path / name), other)

    assert everything(other) == everything(net)
    assert os.listdir(tmp_path) == [name]
