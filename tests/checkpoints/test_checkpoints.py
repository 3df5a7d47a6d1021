"""Checkpoints: what comes back, where it is saved, and what is refused, leaving everything as it was."""

import itertools
import os
import re
import stat
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from d2lcompute.checkpoints import Checkpoint, CheckpointError, files, load_checkpoint, save_checkpoint, state
from d2lcompute.pretend import pretend_gpus
from tests.checkpoints.nets import bits, everything, linear, message_of, save_trained, sgd, small, train

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


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a trained net: its path, and all bits of what it holds."""
    return save_trained(tmp_path / "net.pt")


# --- what comes back -------------------------------------------------------------------------------------------------


def test_load_checkpoint_returns_all_that_was_saved(saved):
    """Model, optimizer, step and extra values come back bit for bit."""
    path, expected = saved
    net, optimizer = small()

    loaded = load_checkpoint(path, net, optimizer)

    assert everything(net, optimizer) == expected
    assert (loaded.path, loaded.step, loaded.extra["loss"]) == (path, 2, 0.5)
    assert torch.equal(loaded.extra["best"], torch.arange(3))


def test_load_checkpoint_result_is_frozen(saved):
    """What a load returns cannot be changed by accident."""
    loaded = load_checkpoint(saved[0], small()[0])

    with pytest.raises(AttributeError):
        loaded.step = 3


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


def tied(*, really=True):
    """Return two linear layers that share their weight, or only might."""
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    if really:
        net[1].weight = net[0].weight
    return net


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("really", [True, False])
def test_load_checkpoint_keeps_ties(name, really, tmp_path):
    """Tied weights are stored once; they come back tied in a model that ties them, and equal in one that does not."""
    net, other = tied(), tied(really=really)

    save_checkpoint(tmp_path / name, net, durable=False)
    load_checkpoint(tmp_path / name, other)

    assert everything(other) == everything(net)
    assert (other[0].weight is other[1].weight) == really


def test_load_checkpoint_refuses_to_choose_between_tied_values(tmp_path):
    """Two different weights cannot be loaded into one that is tied, which torch would do, keeping the last."""
    save_checkpoint(tmp_path / "net.pt", tied(really=False), durable=False)
    net = tied()
    before = everything(net)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net)

    assert "expected equal values for '0.weight' and '1.weight', which are tied in the model" in message
    assert everything(net) == before


@pytest.mark.parametrize("value", [1.5, float("nan")])
def test_load_checkpoint_accepts_equal_values_for_ties(value, tmp_path):
    """Equal weights load into tied ones, whether or not they were tied; so do tied ones that training has ruined."""
    net, other = tied(really=value != value), tied()
    for layer in net:
        nn.init.constant_(layer.weight, value)

    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    load_checkpoint(tmp_path / "net.pt", other)

    assert everything(other) == everything(net)


class Remembering(nn.Linear):
    """A layer with extra state."""

    def __init__(self, memory=None):
        super().__init__(2, 2)
        self.memory = memory

    def get_extra_state(self):
        return self.memory

    def set_extra_state(self, state):
        self.memory = state


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


# --- devices ---------------------------------------------------------------------------------------------------------


def test_load_checkpoint_reads_a_file_from_a_gpu_without_one(tmp_path, monkeypatch):
    """A file whose tensors say cuda:0 loads on a machine without one, where bare torch.load fails."""
    net, optimizer = small()
    train(net, optimizer, 1)
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        save_checkpoint(tmp_path / "net.pt", net, optimizer, extra={"best": torch.ones(2)}, durable=False)
    other = small()

    loaded = load_checkpoint(tmp_path / "net.pt", *other)

    assert everything(*other) == everything(net, optimizer)
    assert loaded.extra["best"].device.type == "cpu"
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="deserialize object on a CUDA device"):
            torch.load(tmp_path / "net.pt", weights_only=True)


def test_load_checkpoint_onto_another_device(saved):
    """A file from the CPU loads onto pretended GPUs, and theirs loads onto another one and onto the CPU."""
    path, expected = saved

    with pretend_gpus(2):
        nets = []
        for device in ("cuda:0", "cuda:1"):
            net = small()[0].to(device)
            optimizer = sgd(net.parameters())
            load_checkpoint(path, net, optimizer)
            save_checkpoint(path, net, optimizer, step=2, durable=False)
            nets.append(net)
        devices = [net[0].weight.device for net in nets]
        kept = optimizer.state[net[0].weight]["momentum_buffer"].device
    net, optimizer = small()
    load_checkpoint(path, net, optimizer)

    assert [*map(str, devices), str(kept)] == ["cuda:0", "cuda:1", "cuda:1"]
    assert everything(net, optimizer) == expected


def test_load_checkpoint_keeps_a_way_back_on_a_device(saved, monkeypatch):
    """What is on a device, where copying may fail, is not loaded in the one call that has no way back."""
    calls, copy = [], torch._foreach_copy_
    monkeypatch.setattr(torch, "_foreach_copy_", lambda *lists: (calls.append(len(lists[0])), copy(*lists)))

    with pretend_gpus(1) as machine:
        net = small()[0].to("cuda")
        before = machine.host_reads
        load_checkpoint(saved[0], net)
        kept_by_the_host = machine.host_reads - before
    on_device, calls[:] = list(calls), []
    load_checkpoint(saved[0], small()[0])

    assert on_device == []
    assert calls == [len(small()[0].state_dict())] == [kept_by_the_host]


def test_load_checkpoint_hands_map_location_on(saved):
    """map_location decides where each tensor of the file goes, as in torch.load."""
    asked = []

    load_checkpoint(saved[0], small()[0], map_location=lambda storage, location: asked.append(location) or storage)

    assert "cpu" in asked


def test_load_checkpoint_refuses_to_load_nothing(tmp_path):
    """Tensors that map_location sends to the meta device have no values: an error, and nothing changes."""
    net, optimizer = small()
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    optimizer.param_groups[0]["lr"] = 0.5
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net, optimizer, map_location="meta")

    assert "could not be put in place" in message
    assert everything(net, optimizer) == before


def test_load_checkpoint_reports_a_map_location_that_fails(saved):
    """A device that is not there is a CheckpointError, and nothing changes."""
    net, _ = small()
    before = everything(net)

    message = message_of(load_checkpoint, saved[0], net, map_location="cuda:99")

    assert "found one that is damaged or something else (RuntimeError" in message
    assert everything(net) == before


# --- what does not fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (linear(3, 4, 2, 2), "model: expected and not found: '2.weight', '2.bias'; found and not expected: nothing;"),
        (
            linear(3, 4),
            "expected and not found: nothing; found and not expected: '1.weight', '1.bias'; build the model",
        ),
        (linear(3, 4, 2, 2, 2, 2), "expected and not found: '2.weight', '2.bias', '3.weight' and 3 more; found and"),
        (linear(3, 5, 2), "model: '0.weight': expected shape (5, 3) of torch.float32, found shape (4, 3) of torch.flo"),
        (linear(3, 4, 2).double(), "'0.weight': expected shape (4, 3) of torch.float64, found shape (4, 3) of torch.f"),
        (Remembering(), "model: expected and not found: 'weight', 'bias', '_extra_state'; found and not expected"),
        (nn.Sequential(nn.LazyLinear(4)), "expected values for '0.weight', found a lazy layer that has seen no data"),
        (linear(3, 4, 2, device="meta"), "expected values for '0.weight', found a tensor on the meta device, which ha"),
    ],
    ids=["missing", "surplus", "many", "shape", "dtype", "extra state", "lazy", "meta"],
)
def test_load_checkpoint_refuses_a_model_that_does_not_fit(model, words, tmp_path):
    """Keys, shapes and dtypes are compared first; the error names file, key, what was expected and what was found."""
    path = tmp_path / "net.pt"
    save_checkpoint(path, linear(3, 4, 2), durable=False)

    message = message_of(load_checkpoint, path, model)

    assert message.startswith(f"{path}: ")
    assert words in message
    assert re.search("build the model (as it was when the file was saved|on a real device)|pass one batch", message)


def adam(net):
    """Return an optimizer of another class."""
    return torch.optim.Adam(net.parameters())


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (adam, "optimizer: 'class': expected Adam, found SGD; build the optimizer as it was when the file was saved"),
        (
            lambda net: sgd(reversed(list(net.parameters()))),
            "'parameter 0 of group 0': expected '1.bias' with shape (2,",
        ),
        (
            lambda net: sgd(net[0].parameters()),
            "expected and not found: nothing; found and not expected: 'parameter 2 o",
        ),
        (
            lambda net: sgd([{"params": net[0].parameters()}, {"params": net[1].parameters()}]),
            "expected and not found: 'parameter 0 of group 1', 'parameter 1 of group 1'; found and not expected: 'para",
        ),
        (
            lambda net: sgd(linear(3, 4, 2).parameters()),
            "expected a tensor outside the model with shape (4, 3) of torch",
        ),
    ],
    ids=["class", "order", "fewer", "groups", "other model"],
)
def test_load_checkpoint_refuses_an_optimizer_that_does_not_fit(build, words, tmp_path):
    """Class, groups and parameters of the optimizer are compared by name, in order, before anything is changed."""
    net = linear(3, 4, 2)
    save_checkpoint(tmp_path / "net.pt", net, sgd(net.parameters()), durable=False)
    other = linear(3, 4, 2)
    optimizer = build(other)
    before = everything(other, optimizer)

    message = message_of(load_checkpoint, tmp_path / "net.pt", other, optimizer)

    assert words in message
    assert everything(other, optimizer) == before


def test_load_checkpoint_refuses_an_optimizer_that_was_not_saved(tmp_path):
    """An optimizer cannot be loaded from a file that holds none; the model stays as it was, too."""
    save_checkpoint(tmp_path / "net.pt", small()[0], durable=False)
    net, optimizer = small()
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net, optimizer)

    assert message.startswith(f"{tmp_path / 'net.pt'}: expected an optimizer's state, found none")
    assert "leave out optimizer to load the model alone" in message
    assert everything(net, optimizer) == before


def rewrite(path, change):
    """Change what a checkpoint holds, leaving its checksums right."""
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda state: state[0].update(momentum_buffer=torch.ones(2)),
            "'momentum_buffer of parameter 0': expected shap",
        ),
        (
            lambda state: state.update({99: {"momentum_buffer": torch.ones(2)}}),
            "found and not expected: 'momentum_buff",
        ),
        (
            lambda state: state.update({len(state): {"momentum_buffer": torch.ones(2)}}),
            "found and not expected: 'momentum_buffer of parameter 6'",
        ),
        (
            lambda state: state.update({0: {"count": 1, "momentum_buffer": torch.ones(2)}}),
            "'momentum_buffer of parameter 0': expected shap",
        ),
        (
            lambda state: state.update({"its own": state.pop(0), 0: {"momentum_buffer": torch.ones(2)}}),
            "'momentum_buffer of parameter 0': expected shap",
        ),
    ],
    ids=["shape", "surplus", "one more", "after a number", "after the optimizer's own"],
)
def test_load_checkpoint_refuses_momentum_that_does_not_fit(change, words, stepped, saved):
    """The optimizer's tensors are compared with its own, or with the parameters if it has none yet."""
    rewrite(saved[0], lambda content: change(content["optimizer"]["state_dict"]["state"]))
    net, optimizer = small()
    if stepped:
        train(net, optimizer, 1)
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, saved[0], net, optimizer)

    assert words in message
    assert everything(net, optimizer) == before


def test_load_checkpoint_refuses_momentum_of_another_dtype(saved):
    """Where the optimizer has momentum already, that of the file must have its dtype."""
    rewrite(saved[0], lambda content: content["optimizer"]["state_dict"]["state"][0].update(momentum_buffer=DOUBLE))
    net, optimizer = small()
    train(net, optimizer, 1)

    message = message_of(load_checkpoint, saved[0], net, optimizer)

    assert "expected shape (4, 3) of torch.float32, found shape (4, 3) of torch.float64" in message


DOUBLE = torch.ones(4, 3, dtype=torch.float64)


def test_load_checkpoint_gives_a_new_optimizer_momentum_of_any_dtype(tmp_path):
    """An optimizer that has none to compare it with takes momentum in float64."""
    net = nn.Linear(3, 2, dtype=torch.float64)
    optimizer = sgd(net.parameters())
    net(torch.ones(1, 3, dtype=torch.float64)).sum().backward()
    optimizer.step()
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    other = nn.Linear(3, 2, dtype=torch.float64)
    other_optimizer = sgd(other.parameters())

    load_checkpoint(tmp_path / "net.pt", other, other_optimizer)

    assert everything(other, other_optimizer) == everything(net, optimizer)


def test_load_checkpoint_refuses_options_that_are_missing(saved):
    """An option that the optimizer has and the file lacks is an error, not a KeyError at the next step."""
    rewrite(saved[0], lambda content: content["optimizer"]["state_dict"]["param_groups"][0].pop("weight_decay"))
    net, optimizer = small()
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, saved[0], net, optimizer)

    assert "optimizer: expected the options ['weight_decay'] in group 0, found none; build it and its" in message
    assert everything(net, optimizer) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content.update(version=2), "expected format 1, found 2; update d2lcompute to load it"),
        (lambda content: content.pop("extra"), "expected 'extra', found none that can be used; load an older file"),
        (lambda content: content.update(step="7"), "expected 'step', found none that can be used; load an older file"),
        (lambda content: content.update(optimizer=[]), "expected 'optimizer', found none that can be used; load an o"),
        (lambda content: content["optimizer"].clear(), "could not be put in place ('outline'); the model and the opti"),
        (lambda content: content["model"].update({"0.weight": 1.0}), "'0.weight': expected shape (4, 3) of torch.floa"),
    ],
    ids=["version", "part", "step", "optimizer's kind", "optimizer", "no tensor"],
)
def test_load_checkpoint_refuses_parts_that_make_no_sense(change, words, saved):
    """A file with the right mark and the wrong content is an error like any other."""
    rewrite(saved[0], change)
    net, optimizer = small()
    before = everything(net, optimizer)

    message = message_of(load_checkpoint, saved[0], net, optimizer)

    assert words in message
    assert everything(net, optimizer) == before


# --- all or nothing --------------------------------------------------------------------------------------------------


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

    monkeypatch.setattr(state, "_is_plain", lambda tensor: False)  # as if the model were on an accelerator
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
    monkeypatch.setattr(state, "_is_plain", lambda tensor: False)

    load_checkpoint(saved[0], net, optimizer)

    assert everything(net, optimizer) == saved[1]


def test_load_checkpoint_reports_tensors_that_cannot_be_written(tmp_path):
    """A tensor into which torch cannot copy is an error that changes nothing, also not the layers before it."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Module())
    with torch.inference_mode():
        net[1].register_buffer("mask", torch.zeros(3))
    save_checkpoint(tmp_path / "net.pt", net, durable=False)
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


# --- what cannot be saved --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((nn.Linear(1, 1).state_dict(),), {}, TypeError, "model must be an nn.Module, not its state_dict or anything"),
        ((nn.Linear(1, 1), {"lr": 1}), {}, TypeError, "optimizer must be a torch.optim.Optimizer or None; got dict"),
        ((nn.Linear(1, 1),), {"step": 1.5}, TypeError, "step must be an integer; got 1.5 (float)"),
        ((nn.Linear(1, 1),), {"step": -1}, ValueError, "step must be 0 or more; got -1"),
        (
            (nn.Linear(1, 1),),
            {"extra": [1]},
            TypeError,
            "extra must be a dict of values by name, such as {'loss': 0.5}",
        ),
        (
            (nn.Linear(1, 1),),
            {"extra": {1: 2}},
            TypeError,
            "extra must be a dict of values by name, such as {'loss': 0",
        ),
        ((nn.LazyLinear(1),), {}, CheckpointError, "expected values for 'weight', found a lazy layer that has seen no"),
        ((nn.Linear(1, 1, device="meta"),), {}, CheckpointError, "found a tensor on the meta device, which has none;"),
    ],
    ids=["state_dict", "optimizer", "step", "negative", "extra", "extra keys", "lazy", "meta"],
)
def test_save_checkpoint_refuses_arguments(arguments, options, error, words, tmp_path):
    """An argument that is of the wrong kind, or cannot be saved, is named, and nothing is written."""
    message = message_of(save_checkpoint, tmp_path / "net.pt", *arguments, error=error, **options)

    assert words in message
    assert message.startswith(str(tmp_path / "net.pt")) == (error is CheckpointError)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("arguments", [({},), (nn.Linear(1, 1), {}), (nn.Linear(1, 1), nn.Linear(1, 1))])
def test_load_checkpoint_refuses_arguments(arguments, saved):
    """What is no model or no optimizer is refused by name."""
    name = "model" if len(arguments) == 1 else "optimizer"

    message = message_of(load_checkpoint, saved[0], *arguments, error=TypeError)

    assert f"{name} must be a" in message
    assert message.endswith(f"; got {type(arguments[-1]).__name__}")


class Settings:
    """A class that weights_only does not know."""


def endless():
    """Return a list that holds itself."""
    items = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("value", "label", "kind"),
    [
        (Settings(), "extra['it']", "Settings"),
        (nn.Linear(1, 1), "extra['it']", "Linear"),
        (print, "extra['it']", "builtin_function_or_method"),
        (lambda: 0, "extra['it']", "function"),
        (Path("a"), "extra['it']", type(Path("a")).__name__),
        ({"deep": [0, {"down": range(3)}]}, "extra['it']['deep'][1]['down']", "range"),
        ({Settings(): 1}, "extra['it']", "dict"),
        (2**3000, "extra['it']", "int"),
    ],
    ids=["object", "module", "builtin", "lambda", "path", "nested", "key", "huge int"],
)
def test_save_checkpoint_refuses_what_could_not_be_loaded(value, label, kind, tmp_path):
    """A value that torch.load would refuse is refused when saving, by the key that leads to it; the old file stays."""
    path = tmp_path / "net.pt"
    save_checkpoint(path, nn.Linear(1, 1), step=1, durable=False)
    before = path.read_bytes()

    message = message_of(save_checkpoint, path, nn.Linear(1, 1), extra={"fine": 1, "it": value})

    assert message.startswith(f"{path}: {label}: expected tensors, numbers, strings, None, or lists, tuples, sets and")
    assert f"found a value of type {kind}, which torch.load refuses; " in message
    assert message.endswith(". Nothing was written")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.pt"]


def test_save_checkpoint_refuses_what_holds_itself(tmp_path):
    """A list without end is an error with a name, not a crash."""
    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1), extra={"it": endless()})

    assert "extra: is nested too deeply, or holds itself; make it flat" in message


def test_save_checkpoint_refuses_extra_state_and_attributes_of_tensors(tmp_path):
    """The same holds for extra state, for the optimizer, and for what somebody has hung on a tensor."""
    tensor = torch.ones(1)
    tensor.owner = Settings()
    net, optimizer = small()
    optimizer.param_groups[0]["tag"] = Settings()

    assert "net.pt: model['_extra_state']: " in message_of(
        save_checkpoint, tmp_path / "net.pt", Remembering(Settings())
    )
    assert "extra['best']: " in message_of(save_checkpoint, tmp_path / "net.pt", net, extra={"best": tensor})
    assert "['param_groups'][0]['tag']: " in message_of(save_checkpoint, tmp_path / "net.pt", net, optimizer)
    assert os.listdir(tmp_path) == []


# --- where it is saved -----------------------------------------------------------------------------------------------


def test_save_checkpoint_names_a_missing_folder(tmp_path):
    """A folder that is not there is named, with the line that creates it."""
    folder = tmp_path / "run"

    message = message_of(save_checkpoint, folder / "net.pt", nn.Linear(1, 1))

    assert message == (
        f"{folder / 'net.pt'}: there is no folder {folder}; check the path, or create it: "
        f"Path({str(folder)!r}).mkdir(parents=True)"
    )
    assert message_of(load_checkpoint, folder / "net.pt", nn.Linear(1, 1)) == message
    assert not folder.exists()


def test_save_checkpoint_refuses_a_folder(tmp_path):
    """A folder in the place of a file is named, with a path that would do."""
    message = message_of(save_checkpoint, tmp_path, nn.Linear(1, 1))

    assert message == f"{tmp_path}: is a folder; give the path of a file in it, such as {tmp_path / 'checkpoint.pt'}"
    assert message_of(load_checkpoint, tmp_path, nn.Linear(1, 1)) == message


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors"])
def test_load_checkpoint_names_a_missing_file(name, tmp_path):
    """A file that is not there is named."""
    message = message_of(load_checkpoint, tmp_path / name, nn.Linear(1, 1))

    assert message == f"{tmp_path / name}: there is no such file in the folder; check its name"


def test_load_checkpoint_says_what_the_file_should_have_been(tmp_path):
    """A file of something else is told by what was expected, with what to do."""
    path = tmp_path / "net.safetensors"
    path.write_text("a letter, and rather a long one")

    message = message_of(load_checkpoint, path, nn.Linear(1, 1))

    assert message.startswith(f"{path}: expected a safetensors file, found one that is damaged or something else (")
    assert message.endswith("); check the path, or load an older one")


def test_save_checkpoint_reports_a_folder_that_takes_no_files(tmp_path, monkeypatch):
    """Where not even the temporary file can be made there is none to remove, and the error is that of the folder."""

    def refuse(path, **options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)

    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1))

    assert message == (
        f"{tmp_path / 'net.pt'}: could not be written (PermissionError: read-only file system); what was there before "
        "is unchanged; check the space left, or choose another path"
    )
    assert os.listdir(tmp_path) == []


def test_save_checkpoint_cuts_a_long_reason_short(tmp_path, monkeypatch):
    """Of a system's long words the first 120 letters are told, and dots say that there were more."""

    def refuse(path, **options):
        raise PermissionError("no " * 100)

    monkeypatch.setattr(Path, "touch", refuse)

    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1))

    assert re.search(r"\(PermissionError: no( no)* \.\.\.\); what was there", message)


def test_save_checkpoint_saves_where_a_folder_cannot_be_flushed(tmp_path, monkeypatch):
    """Some systems flush files, not folders: the file is whole all the same."""
    flush, refused = files._flush, []

    def refuse_folders(path, flags):
        if path.is_dir():
            refused.append(path)
            raise OSError("not supported")
        flush(path, flags)

    monkeypatch.setattr(files, "_flush", refuse_folders)

    save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), step=3)

    assert refused == [tmp_path]
    assert load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).step == 3


def test_save_checkpoint_refuses_a_protected_file(saved, monkeypatch):
    """A file that is protected from writing is not replaced, although its folder would allow it."""
    before = saved[0].read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, as in a container, may write anything

    message = message_of(save_checkpoint, saved[0], small()[0])

    assert message == f"{saved[0]}: is protected from writing, or no ordinary file; choose another path"
    assert saved[0].read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_save_checkpoint_refuses_a_pipe(tmp_path):
    """A pipe is neither replaced nor waited for."""
    os.mkfifo(tmp_path / "pipe")

    assert "no ordinary file" in message_of(save_checkpoint, tmp_path / "pipe", nn.Linear(1, 1))
    assert "no such file" in message_of(load_checkpoint, tmp_path / "pipe", nn.Linear(1, 1))


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such permissions")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_permissions(name, tmp_path):
    """A new file gets the permissions of any new file, a replaced one keeps its own."""
    path, plain = tmp_path / name, tmp_path / "plain"
    plain.touch()

    save_checkpoint(path, nn.Linear(1, 1), durable=False)
    new = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o640)
    save_checkpoint(path, nn.Linear(1, 1), durable=False)

    assert new == stat.S_IMODE(plain.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_save_checkpoint_follows_a_link(tmp_path):
    """Saving through a link replaces the file behind it, and leaves the link a link."""
    (tmp_path / "runs").mkdir()
    link, behind = tmp_path / "latest.pt", tmp_path / "runs" / "net.pt"
    try:
        link.symlink_to(behind)
    except OSError:
        pytest.skip("this system allows no links")

    for step in (1, 2):
        save_checkpoint(link, nn.Linear(1, 1), step=step, durable=False)

    assert link.is_symlink()
    assert load_checkpoint(behind, nn.Linear(1, 1)).step == 2
    assert os.listdir(tmp_path / "runs") == ["net.pt"]


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_flushes_before_it_replaces(name, tmp_path, monkeypatch):
    """A durable save flushes the file, moves it into place, then flushes the folder; another flushes nothing."""
    calls, replace, fsync = [], os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("flush"), fsync(file)))

    save_checkpoint(tmp_path / name, nn.Linear(1, 1))
    durable, calls[:] = list(calls), []
    save_checkpoint(tmp_path / name, nn.Linear(1, 1), durable=False)

    assert durable == (["flush", "replace"] if os.name == "nt" else ["flush", "replace", "flush"])
    assert calls == ["replace"]


def test_save_checkpoint_stores_checksums_where_they_were_switched_off(tmp_path):
    """A program that has told torch not to compute checksums still gets them here, and keeps its setting."""
    torch.serialization.set_crc32_options(False)
    try:
        save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), durable=False)
        kept = torch.serialization.get_crc32_options()
        torch.save({}, tmp_path / "bare.pt")
    finally:
        torch.serialization.set_crc32_options(True)

    assert not kept
    assert zipfile.ZipFile(tmp_path / "net.pt").testzip() is None
    assert zipfile.ZipFile(tmp_path / "bare.pt").testzip() == "bare/data.pkl"


# --- tensors alone ---------------------------------------------------------------------------------------------------


def test_save_checkpoint_writes_safetensors(tmp_path):
    """A .safetensors file holds the model's tensors for any program, and loads into a model again."""
    path, (net, _), (other, _) = tmp_path / "net.SafeTensors", small(), small()

    save_checkpoint(path, net)
    loaded = load_checkpoint(path, other)

    assert bits(safetensors.torch.load_file(path)) == everything(net)[0]
    assert everything(other) == everything(net)
    assert loaded == Checkpoint(path, 0, {})


def test_load_checkpoint_reads_safetensors_of_others(tmp_path):
    """Files that other programs wrote with safetensors load, tied weights among them."""
    net, other = tied(), tied()
    safetensors.torch.save_model(net, tmp_path / "net.safetensors", metadata={"format": "pt"})

    load_checkpoint(tmp_path / "net.safetensors", other)

    assert everything(other) == everything(net)


@pytest.mark.parametrize("options", [{"step": 1}, {"extra": {"loss": 1}}, {"optimizer": True}], ids=str)
def test_save_checkpoint_refuses_more_than_tensors_in_safetensors(options, tmp_path):
    """Optimizer, step and extra values are refused, not dropped in silence."""
    net, optimizer = small()
    options = {"optimizer": optimizer} if "optimizer" in options else options

    message = message_of(save_checkpoint, tmp_path / "net.safetensors", net, error=ValueError, **options)

    assert "a .safetensors file holds the model's tensors alone; leave out optimizer, step and extra, or" in message
    assert message.endswith("or choose a name that ends in .pt")
    assert os.listdir(tmp_path) == []


def test_load_checkpoint_refuses_an_optimizer_from_safetensors(tmp_path):
    """An optimizer cannot be loaded from a file that holds tensors alone."""
    net, optimizer = small()
    save_checkpoint(tmp_path / "net.safetensors", net, durable=False)

    message = message_of(load_checkpoint, tmp_path / "net.safetensors", net, optimizer, error=ValueError)

    assert "choose a name that ends in .pt" in message


def test_save_checkpoint_refuses_what_safetensors_cannot_hold(tmp_path):
    """Extra state, and a dtype that the format lacks, are refused with the way out, and nothing is left behind."""
    path, net = tmp_path / "net.safetensors", nn.Module()
    net.register_buffer("values", torch.ones(2, dtype=torch.complex128))

    assert "expected tensors alone, found '_extra_state'; choose a name that ends in .pt" in message_of(
        save_checkpoint, path, Remembering("a")
    )
    message = message_of(save_checkpoint, path, net)
    assert "found 'values' of torch.complex128 in the layout torch.strided; choose a name that ends in .pt" in message
    assert os.listdir(tmp_path) == []


def test_load_checkpoint_compares_safetensors_first(tmp_path):
    """Keys, shapes and dtypes of a .safetensors file are compared as those of any other."""
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, linear(3, 4, 2), durable=False)

    assert "found and not expected: '1.bias', '1.weight';" in message_of(load_checkpoint, path, linear(3, 4))
    assert "'0.weight': expected shape (5, 3) of torch.f" in message_of(load_checkpoint, path, linear(3, 5, 2))


def test_load_checkpoint_refuses_safetensors_cut_short(tmp_path):
    """Whatever the length to which a .safetensors file was cut, it is refused, and nothing is loaded."""
    path, net = tmp_path / "net.safetensors", nn.Linear(3, 3)
    save_checkpoint(path, nn.Linear(3, 3), durable=False)
    whole, before = path.read_bytes(), everything(net)

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        message = message_of(load_checkpoint, path, net)
        assert "expected a safetensors file, found one that is damaged or something else (Safeten" in message, length

    assert everything(net) == before
