"""Checkpoints of models that torch.compile, DataParallel or DistributedDataParallel wraps: the inner model's names."""

import warnings

import pytest
import safetensors.torch
import torch
from torch import distributed, nn

from d2lcompute.checkpoints import load_checkpoint, save_checkpoint
from tests.checkpoints.nets import bits, everything, message_of, rewrite, sgd, small, train


@pytest.fixture(scope="module", autouse=True)
def _compiler():
    """Import the compiler before a test does: torch 2.13 warns while it imports itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.compile(nn.ReLU())


@pytest.fixture(scope="module")
def _group(tmp_path_factory):
    """A process group of one process, as DistributedDataParallel needs it."""
    store = distributed.FileStore(str(tmp_path_factory.mktemp("group") / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def compiled_inside(net):
    """Compile the first layer and the last one in their places."""
    net[0], net[3] = torch.compile(net[0]), nn.DataParallel(torch.compile(net[3]))
    return net


WRAPPERS = {
    "plain": lambda net: net,
    "compiled": torch.compile,
    "DataParallel": nn.DataParallel,
    "DDP": nn.parallel.DistributedDataParallel,
    "compiled DDP": lambda net: torch.compile(nn.parallel.DistributedDataParallel(net)),
    "DataParallel of compiled": lambda net: nn.DataParallel(torch.compile(net)),
    "inside": compiled_inside,
    "inside and outside": lambda net: torch.compile(nn.DataParallel(compiled_inside(net))),
}


@pytest.mark.usefixtures("_group")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("ours", WRAPPERS)
def test_checkpoints_see_through_wrappers(ours, name, tmp_path):
    """A file of a model that is wrapped in any way has the plain names, and loads into one wrapped in any other way."""
    with_optimizer = name == "net.pt"
    net, optimizer = small()
    train(net, optimizer, 2)
    save_checkpoint(tmp_path / name, WRAPPERS[ours](net), *[optimizer] * with_optimizer, durable=False)

    for theirs, wrap in WRAPPERS.items():
        other, its_optimizer = small()
        load_checkpoint(tmp_path / name, wrap(other), *[its_optimizer] * with_optimizer)
        assert same_values(other, net), theirs
        assert not with_optimizer or bits(its_optimizer.state_dict()) == bits(optimizer.state_dict()), theirs

    if with_optimizer:
        content = torch.load(tmp_path / name, weights_only=True)
        line = content["optimizer"]["outline"]["parameter 0 of group 0"]
        assert line == "'0.weight' with shape (4, 3) of torch.float32"
    state = content["model"] if with_optimizer else safetensors.torch.load_file(tmp_path / name)
    assert {*state} == {*small()[0].state_dict()}


def same_values(net, other):
    """Return whether two nets hold the same, whatever wraps their layers."""
    return [*bits(net.state_dict()).values()] == [*bits(other.state_dict()).values()]


class Versioned(nn.Linear):
    """A layer that halves its weight when it loads a file of its first version."""

    _version = 2

    def _load_from_state_dict(self, state, prefix, metadata, *others):
        if metadata.get("version", 1) < 2:
            state[prefix + "weight"] /= 2
        super()._load_from_state_dict(state, prefix, metadata, *others)


@pytest.mark.parametrize("partial", [False, True])
def test_checkpoints_keep_versions_of_wrapped_modules(partial, tmp_path):
    """What a module does to files of its earlier versions it does not do to its own, however it was wrapped."""
    net, other = nn.Sequential(Versioned(2, 2)), nn.Sequential(torch.compile(Versioned(2, 2)))
    save_checkpoint(tmp_path / "net.pt", torch.compile(net), durable=False)

    load_checkpoint(tmp_path / "net.pt", other, partial=partial)

    assert torch.equal(other[0].weight, net[0].weight)


class Holder(nn.Module):
    """A model of a user who calls a submodule ``module``."""

    def __init__(self):
        super().__init__()
        self.module = nn.Linear(3, 2)


class WithScale(nn.DataParallel):
    """A wrapper with a parameter of its own."""

    def __init__(self, module):
        super().__init__(module)
        self.scale = nn.Parameter(torch.ones(1))


@pytest.mark.parametrize("build", [Holder, lambda: torch.compile(Holder()), lambda: WithScale(nn.Linear(3, 2))])
def test_checkpoints_leave_a_users_own_module_alone(build, tmp_path):
    """A submodule that is called ``module``, and all that a subclass adds to a wrapper, keep their names."""
    net, other = build(), build()

    save_checkpoint(tmp_path / "net.pt", net, durable=False)
    load_checkpoint(tmp_path / "net.pt", other)

    assert everything(other) == everything(net)
    assert "module.weight" in torch.load(tmp_path / "net.pt", weights_only=True)["model"]


def test_load_checkpoint_does_not_take_a_plain_file_for_a_users_module(tmp_path):
    """The weights of a layer do not fit a model that has such a layer as ``module``."""
    save_checkpoint(tmp_path / "net.pt", nn.Linear(3, 2), durable=False)

    message = message_of(load_checkpoint, tmp_path / "net.pt", Holder())

    assert (
        "expected and not found: 'module.weight', 'module.bias'; found and not expected: 'weight', 'bias';" in message
    )


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod.", "_orig_mod.module."])
def test_load_checkpoint_reads_files_of_others_with_prefixes(prefix, tmp_path):
    """Files that other programs, or this one long ago, wrote from a wrapped model load without its prefixes."""
    net, optimizer = small()
    train(net, optimizer, 1)
    state = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "net.safetensors")
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    rewrite(tmp_path / "net.pt", lambda content: content.update(model=state))
    outline = {}
    rewrite(
        tmp_path / "net.pt",
        lambda content: (
            outline.update(content["optimizer"]["outline"]),
            content["optimizer"].update(
                outline={key: line.replace("'", f"'{prefix}", 1) for key, line in outline.items()}
            ),
        ),
    )

    for name in ("net.pt", "net.safetensors"):
        other, other_optimizer = small()
        others = (other, other_optimizer) if name == "net.pt" else (other,)
        load_checkpoint(tmp_path / name, *others)
        assert everything(*others)[0] == everything(net)[0]
    assert outline["class"] == "SGD"


def test_load_checkpoint_does_not_guess_between_two_names(tmp_path):
    """Where two keys would become one without the prefix, the keys stay as they are and do not fit."""
    values = {"weight": torch.ones(2, 3), "_orig_mod.weight": torch.zeros(2, 3), "_orig_mod.bias": torch.zeros(2)}
    safetensors.torch.save_file(values, tmp_path / "net.safetensors")

    message = message_of(load_checkpoint, tmp_path / "net.safetensors", nn.Linear(3, 2))

    assert "found and not expected: '_orig_mod.bias', '_orig_mod.weight'" in message


def test_load_checkpoint_loads_an_optimizer_over_a_wrapped_model(tmp_path):
    """An optimizer made from the compiled model's parameters takes the momentum of the plain one."""
    net, optimizer = small()
    train(net, optimizer, 2)
    save_checkpoint(tmp_path / "net.pt", net, optimizer, durable=False)
    other = small()[0]
    compiled = torch.compile(other)
    its_optimizer = sgd(compiled.parameters())

    load_checkpoint(tmp_path / "net.pt", compiled, its_optimizer)

    assert everything(other, its_optimizer) == everything(net, optimizer)
