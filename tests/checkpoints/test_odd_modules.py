"""Whatever memory a model's tensors share: what was saved loads equal, or saving refuses and says which entry."""

import contextlib
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from d2lcompute import CheckpointError, load_checkpoint, save_checkpoint

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.int64)


def part_of(base, kind):
    """Return a tensor that uses a base's memory, or none of it."""
    return {
        "rows": lambda: base[:2],
        "other rows": lambda: base[1:],
        "column": lambda: base[:, 0],
        "transposed": lambda: base.T,
        "every other": lambda: base[::2, ::2],
        "diagonal": lambda: base.diagonal(),
        "one element": lambda: base[0, 0],
        "nothing": lambda: base[:0],
        "whole": lambda: base[:],
        "reshaped": lambda: base.reshape(-1),
        "overlapping windows": lambda: base.reshape(-1).unfold(0, 3, 1),
        "expanded": lambda: base[0, 0].expand(3),
        "conjugated": lambda: base.conj(),
        "of its own": lambda: torch.ones_like(base),
    }[kind]()


KINDS = (
    *("rows", "other rows", "column", "transposed", "every other", "diagonal", "one element", "nothing", "whole"),
    *("reshaped", "overlapping windows", "expanded", "conjugated", "of its own"),
)


@st.composite
def plans(draw):
    """Draw how a module is built: for each entry its base, its part, whether it is a parameter, and how many names."""
    bases = draw(st.lists(st.sampled_from(DTYPES), min_size=1, max_size=2))
    entry = st.tuples(st.integers(0, len(bases) - 1), st.sampled_from(KINDS), st.booleans(), st.integers(0, 2))
    return bases, draw(st.lists(entry, min_size=1, max_size=4))


def build(plan, fill):
    """Build the module of a plan, with other values for each ``fill``."""
    dtypes, entries = plan
    bases = [(torch.arange(16.0).reshape(4, 4) * fill + i).to(dtype) for i, dtype in enumerate(dtypes)]
    net = nn.Module()
    for number, (base, kind, is_parameter, names) in enumerate(entries):
        value = part_of(bases[base], kind)
        if is_parameter and (value.is_floating_point() or value.is_complex()):
            value = nn.Parameter(value)
        for name in range(names + 1):
            register = net.register_parameter if isinstance(value, nn.Parameter) else net.register_buffer
            register(f"entry_{number}_{name}", value)
    return net


def refusal_of(path, net):
    """Save a net; return the words of the refusal, or nothing if it was saved."""
    try:
        save_checkpoint(path, net, durable=False)
    except CheckpointError as error:
        return str(error)
    return ""


@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
@settings(max_examples=300, deadline=None)
@given(plan=plans(), suffix=st.sampled_from([".pt", ".safetensors"]))
def test_what_was_saved_loads_equal_or_is_refused(plan, suffix):
    """Every save that returns can be loaded into a module of the same build, and gives equal values under all names."""
    net, other = build(plan, 1), build(plan, 3)
    expected = {name: value.clone() for name, value in net.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"net{suffix}")
        refusal = refusal_of(path, net)
        if refusal:
            assert any(repr(name) in refusal for name in expected)
            return

        load_checkpoint(path, other)

    for name, value in other.state_dict().items():
        assert torch.equal(value.resolve_conj(), expected[name].resolve_conj()), name


def test_a_part_of_another_parameter_is_stored_by_itself(tmp_path):
    """A view of another parameter's first rows comes back from .safetensors with its own shape."""
    net = nn.Module()
    net.a = nn.Parameter(torch.arange(16.0).reshape(4, 4))
    net.b = nn.Parameter(net.a.data[:2])
    other = nn.Module()
    other.a, other.b = nn.Parameter(torch.zeros(4, 4)), nn.Parameter(torch.zeros(2, 4))

    save_checkpoint(tmp_path / "net.safetensors", net, durable=False)
    load_checkpoint(tmp_path / "net.safetensors", other)

    assert torch.equal(other.a, net.a)
    assert torch.equal(other.b, net.b)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_an_expanded_tensor_is_refused_by_name(suffix, tmp_path):
    """Nothing can be loaded into a tensor whose elements are one; the error names it and what to keep instead."""
    net = nn.Module()
    net.register_buffer("mask", torch.ones(1).expand(4))

    with pytest.raises(CheckpointError, match=r"found 'mask' of shape \(4,\).*clone\(\)"):
        save_checkpoint(tmp_path / f"net{suffix}", net)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_lazy_buffer_is_refused_by_name(suffix, tmp_path):
    """A buffer without a shape is an error that says to pass a batch first, as for a lazy parameter."""
    net = nn.Module()
    net.register_buffer("mean", nn.UninitializedBuffer())

    with pytest.raises(CheckpointError, match=r"expected values for 'mean', found a lazy layer.*pass one batch"):
        save_checkpoint(tmp_path / f"net{suffix}", net)


def test_tied_parameters_are_stored_once(tmp_path):
    """A tied weight takes its room once in .safetensors, and safetensors' own loader finds it under both names."""
    from safetensors.torch import load_model

    tied, other = (nn.Sequential(nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False)) for _ in range(2))
    tied[1].weight = tied[0].weight
    other[1].weight = other[0].weight

    save_checkpoint(tmp_path / "net.safetensors", tied, durable=False)
    with contextlib.suppress(FileNotFoundError):
        load_model(other, str(tmp_path / "net.safetensors"))

    assert (tmp_path / "net.safetensors").stat().st_size < 1.2 * 50 * 50 * 4
    assert torch.equal(other[1].weight, tied[1].weight)
