"""Models that are wrapped: a checkpoint bears the names of the bare model, whichever of the two is wrapped."""

import pytest
import torch
import torch.distributed as dist
from torch import nn

from d2lcompute import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import train

# torch imports its compiler when something is compiled, and parts of that use what torch has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")


def net():
    """Return a net with a submodule that is really called ``module``."""
    inner = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    inner.add_module("module", nn.Linear(2, 2))
    return inner


def with_a_compiled_part(model):
    """Compile one part of a net, as people do with blocks."""
    model[0] = torch.compile(model[0])
    return model


@pytest.fixture(scope="module", autouse=True)
def _one_process(tmp_path_factory):
    """Open a group of one process, which DistributedDataParallel asks for."""
    store = tmp_path_factory.mktemp("group") / "store"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


WRAPPERS = {
    "compiled": torch.compile,
    "DataParallel": nn.DataParallel,
    "DDP": nn.parallel.DistributedDataParallel,
    "compiled DDP": lambda model: torch.compile(nn.parallel.DistributedDataParallel(model)),
    "DDP of a compiled model": lambda model: nn.parallel.DistributedDataParallel(torch.compile(model)),
    "a compiled part": with_a_compiled_part,
}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_a_wrapped_model_loads_into_a_bare_one_and_back(wrap, suffix, tmp_path):
    """Saved wrapped and loaded bare, or the other way round: the values are equal, the names the bare model's."""
    bare, inner = net(), net()
    wrapped = wrap(inner)
    expected = [value.clone() for value in wrapped.state_dict().values()]

    save_checkpoint(tmp_path / f"wrapped{suffix}", wrapped, durable=False)
    load_checkpoint(tmp_path / f"wrapped{suffix}", bare)
    save_checkpoint(tmp_path / f"bare{suffix}", bare, durable=False)
    with torch.no_grad():
        for value in wrapped.state_dict().values():
            value.zero_()
    load_checkpoint(tmp_path / f"bare{suffix}", wrapped)

    assert all(map(torch.equal, bare.state_dict().values(), expected))
    assert all(map(torch.equal, wrapped.state_dict().values(), expected))


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_an_optimizer_goes_on_beside_a_bare_model(wrap, tmp_path):
    """The state of an optimizer over wrapped parameters loads beside the bare model."""
    inner = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    wrapped, optimizer = wrap(inner), torch.optim.Adam(inner.parameters())
    sum(parameter.square().sum() for parameter in inner.parameters()).backward()
    optimizer.step()
    bare = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    other = torch.optim.Adam(bare.parameters())

    save_checkpoint(tmp_path / "net.pt", wrapped, optimizer, durable=False)
    load_checkpoint(tmp_path / "net.pt", bare, other)

    states = zip(optimizer.state.values(), other.state.values(), strict=True)
    assert all(torch.equal(one["exp_avg"], two["exp_avg"]) for one, two in states)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_a_file_with_the_names_of_a_wrapped_model_loads(prefix, tmp_path):
    """Files of others may hold the wrapper's names; all keys then begin with them."""
    from safetensors.torch import save_file

    bare, other = nn.Linear(3, 2), nn.Linear(3, 2)
    save_file({prefix + name: value for name, value in bare.state_dict().items()}, tmp_path / "net.safetensors")

    load_checkpoint(tmp_path / "net.safetensors", other)

    assert torch.equal(other.weight, bare.weight)


def test_a_submodule_that_is_called_module_is_no_wrapper(tmp_path):
    """A net whose parts are all called ``module`` keeps its names, and does not load into the part alone."""
    outer = nn.ModuleDict({"module": nn.Linear(3, 2)})
    save_checkpoint(tmp_path / "net.pt", outer, durable=False)

    load_checkpoint(tmp_path / "net.pt", outer)
    names = torch.load(tmp_path / "net.pt", weights_only=True)["model"]

    assert list(names) == ["module.weight", "module.bias"]


def test_names_that_fit_neither_way_are_an_error(tmp_path):
    """Keys that differ by more than a wrapper's prefix are listed as before."""
    save_checkpoint(tmp_path / "net.pt", nn.Sequential(nn.Linear(3, 2)), durable=False)

    with pytest.raises(CheckpointError, match="expected and not found: 'weight', 'bias'"):
        load_checkpoint(tmp_path / "net.pt", nn.Linear(3, 2))


def test_training_goes_on_in_a_wrapped_model(tmp_path):
    """A run that is interrupted bare and resumed wrapped ends where an uninterrupted one does."""
    straight, stopped = nn.Linear(3, 2), nn.Linear(3, 2)
    stopped.load_state_dict(straight.state_dict())
    optimizers = [torch.optim.Adam(model.parameters(), lr=0.1) for model in (straight, stopped)]
    torch.manual_seed(1)
    train(straight, optimizers[0], 4)
    torch.manual_seed(1)
    train(stopped, optimizers[1], 2)
    save_checkpoint(tmp_path / "net.pt", stopped, optimizers[1], durable=False)

    resumed = nn.DataParallel(nn.Linear(3, 2))
    optimizer = torch.optim.Adam(resumed.parameters(), lr=0.1)
    load_checkpoint(tmp_path / "net.pt", resumed, optimizer)
    train(resumed, optimizer, 2)

    assert torch.isfinite(resumed.module.weight).all()
    assert optimizer.state[resumed.module.weight]["step"] == 4
