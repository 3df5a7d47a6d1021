"""Checkpoints of tensors that share memory: what was saved loads equal, in both formats."""

import hypothesis
import pytest
import safetensors.torch
import torch
from hypothesis import strategies as st
from torch import nn

from d2lcompute.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import bits, everything, message_of, tied


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


# --- random modules --------------------------------------------------------------------------------------------------

DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128, torch.int16, torch.bool, torch.bfloat16]
VIEWS = {
    "itself": lambda tensor: tensor,
    "first rows": lambda tensor: tensor[:2],
    "last rows": lambda tensor: tensor[-1:],
    "column": lambda tensor: tensor[:, 0],
    "every other": lambda tensor: tensor[:, ::2],
    "transposed": lambda tensor: tensor.t(),
    "expanded": lambda tensor: tensor[:1].expand(3, -1),
    "overlapping": lambda tensor: tensor.reshape(-1).unfold(0, min(2, tensor.numel()), 1),
    "flat": lambda tensor: tensor.reshape(-1),
    "scalar": lambda tensor: tensor[0, 0],
    "nothing": lambda tensor: tensor[:0],
    "bytes": lambda tensor: tensor.view(torch.uint8),
    "conjugated": lambda tensor: tensor.conj(),
    "cloned": lambda tensor: tensor.clone(),
}
modules = st.lists(
    st.tuples(
        st.sampled_from([(2, 2), (4, 3), (1, 1), (3, 1)]),
        st.sampled_from(DTYPES),
        st.lists(st.tuples(st.sampled_from([*VIEWS]), st.booleans()), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=3,
)
checked = hypothesis.settings(max_examples=150, deadline=None)


def build(plan, seed):
    """Return a module with parameters and buffers that are views of a few tensors, some under two names."""
    generator, net = torch.Generator().manual_seed(seed), nn.Module()
    for number, (shape, dtype, views) in enumerate(plan):
        base = (10 * torch.randn(*shape, generator=generator)).to(dtype)
        for place, (kind, is_buffer) in enumerate(views):
            name, view = f"{kind} {number} {place}".replace(" ", "_"), VIEWS[kind](base)
            for its_name in (name, f"twin_{number}")[: 1 + (place == 1)]:
                if is_buffer:
                    net.register_buffer(its_name, view)
                else:
                    view = view if isinstance(view, nn.Parameter) else nn.Parameter(view, requires_grad=False)
                    net.register_parameter(its_name, view)
    return net


def outcome(plan, path):
    """Save a random module and load it into one like it: refused by name, equal, or what went wrong."""
    net, other = build(plan, 0), build(plan, 1)
    path.unlink(missing_ok=True)
    try:
        save_checkpoint(path, net, durable=False)
    except CheckpointError as error:
        named = [name for name in net.state_dict() if repr(name) in str(error)]
        return "refused" if named and not path.exists() else f"refused without a name: {error}"
    try:
        load_checkpoint(path, other)
    except CheckpointError as error:
        return str(error)
    if values(other) != values(net):
        return "other values"
    return "equal" if ties(other) == ties(net) else "other ties"


def ties(net):
    """Return for each name the first one of the same tensor."""
    first = {}
    return {name: first.setdefault(id(value), name) for name, value in net.state_dict(keep_vars=True).items()}


def values(net):
    """Return all values as bits, those that are marked as conjugated as they read."""
    return bits({name: value.resolve_conj() for name, value in net.state_dict().items()})


@pytest.mark.filterwarnings("ignore:.*complex:UserWarning")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_saves_what_loads_equal_or_refuses(name, tmp_path_factory):
    """Every random module that is saved loads equal into one like it; what is refused is named, and leaves no file."""
    path, seen = tmp_path_factory.mktemp("random") / name, set()

    @checked
    @hypothesis.given(modules)
    @hypothesis.example([((4, 3), torch.float32, [("itself", False), ("first rows", False)])])
    @hypothesis.example([((4, 3), torch.float32, [("expanded", True)])])
    def property_of_checkpoints(plan):
        found = outcome(plan, path)
        seen.add(found)
        assert found in ("equal", "refused")

    property_of_checkpoints()

    assert seen == {"equal", "refused"}


def save_model_of_safetensors(path, net, **options):
    """Save as safetensors does by itself."""
    safetensors.torch.save_model(net, str(path))


def test_outcome_notices_a_save_that_cannot_be_loaded(tmp_path, monkeypatch):
    """The check that the property rests on sees safetensors' own way of leaving out what is a part of another."""
    monkeypatch.setitem(globals(), "save_checkpoint", save_model_of_safetensors)

    found = outcome([((4, 3), torch.float32, [("itself", False), ("first rows", False)])], tmp_path / "net.safetensors")

    assert "expected shape (2, 3) of torch.float32, found shape (4, 3) of torch.float32" in found


# --- what shares memory, and what cannot -----------------------------------------------------------------------------


def aliased(*, really=True):
    """Return a module with a parameter and one that shows its first two rows, or only might."""
    net = nn.Module()
    net.a = nn.Parameter(torch.randn(4, 4))
    net.b = nn.Parameter(net.a.data[:2] if really else torch.randn(2, 4))
    return net


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_load_checkpoint_keeps_views_of_parts(name, tmp_path):
    """A parameter that shows a part of another one comes back, as one that does and as one that does not."""
    net = aliased()
    save_checkpoint(tmp_path / name, net, durable=False)

    for other in (aliased(), aliased(really=False)):
        load_checkpoint(tmp_path / name, other)
        assert everything(other) == everything(net)


def test_load_checkpoint_refuses_to_choose_between_a_part_and_the_whole(tmp_path):
    """Two values for the same memory cannot both be loaded: an error that names both, and nothing changes."""
    save_checkpoint(tmp_path / "net.pt", aliased(really=False), durable=False)
    net = aliased()
    before = everything(net)

    message = message_of(load_checkpoint, tmp_path / "net.pt", net)

    assert "expected equal values for 'a' and 'b', which are tied in the model, found different ones" in message
    assert everything(net) == before


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_refuses_an_expanded_tensor(name, tmp_path):
    """A tensor whose elements are one place in memory takes no values: it is refused when it is saved, by name."""
    net = nn.Module()
    net.register_buffer("mask", torch.ones(1).expand(3))

    assert message_of(save_checkpoint, tmp_path / name, net) == (
        f"{tmp_path / name}: expected memory for each element, found 'mask' expanded, which no value can be loaded "
        "into; register its clone() in the model"
    )


def test_save_checkpoint_refuses_two_dtypes_of_one_memory(tmp_path):
    """What torch.save cannot write, memory that is shown as two dtypes, is refused with both names."""
    net = nn.Linear(2, 2)
    net.register_buffer("raw", net.weight.data.view(torch.int32))

    message = message_of(save_checkpoint, tmp_path / "net.pt", net)

    assert "model['raw']: expected memory of its own, found that of model['weight'], as torch.int32 here and" in message
    assert message.endswith("clone one of the two. Nothing was written")


@pytest.mark.parametrize("kind", ["sparse", "quantized"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_save_checkpoint_names_what_safetensors_cannot_hold(kind, tmp_path):
    """A tensor that is not dense is refused with its name and the way out, and not with advice on the disk."""
    net = nn.Module()
    tensor = (
        torch.eye(3).to_sparse() if kind == "sparse" else torch.quantize_per_tensor(torch.ones(3), 1, 0, torch.qint8)
    )
    net.register_buffer("odd", tensor)

    message = message_of(save_checkpoint, tmp_path / "net.safetensors", net)

    assert "expected dense tensors, found 'odd' " in message
    assert message.endswith("convert it, or choose a name that ends in .pt, which takes every kind of tensor")
