"""Checkpoints in the safetensors format: tensors alone."""

import contextlib
import os

import pytest
import safetensors.torch
import torch
from torch import nn

from d2lcompute.checkpoints import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import Remembering, bits, everything, linear, message_of, small, tied


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
    assert message_of(save_checkpoint, path, net) == (
        f"{path}: expected dtypes of the safetensors format, found 'values' of torch.complex128; convert it, or choose "
        "a name that ends in .pt, which takes every kind of tensor"
    )
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


ODD = {
    "transposed": lambda: torch.randn(3, 4).t(),
    "every other": lambda: torch.randn(10)[::2],
    "a view of more": lambda: torch.randn(9, 9)[:1],
    "empty": lambda: torch.randn(0, 3),
    "a scalar": lambda: torch.randn(()),
    "conjugated": lambda: torch.randn(3, dtype=torch.complex64).conj(),
    "negated": lambda: torch._neg_view(torch.randn(3)),
    "sparse": lambda: torch.eye(3).to_sparse() * torch.randn(()),
    "sparse rows": lambda: (torch.eye(3) * torch.randn(())).to_sparse_csr(),
    "quantized": lambda: torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8),
    "float16": lambda: torch.randn(3).half(),
    "complex32": lambda: torch.randn(3, dtype=torch.complex64).to(torch.complex32),
    "int16": lambda: torch.randint(9, (3,)).short(),
}


def knows_complex_numbers():
    """Return whether this version of safetensors does; 0.4.5 does not."""
    try:
        safetensors.torch.save({"x": torch.ones(1, dtype=torch.complex64)})
    except KeyError:
        return False
    return True


NOT_IN_SAFETENSORS = ["sparse", "sparse rows", "quantized", "complex32"]
if not knows_complex_numbers():
    NOT_IN_SAFETENSORS.append("conjugated")
REFUSED = {(kind, "net.safetensors") for kind in NOT_IN_SAFETENSORS}


def with_buffer(kind):
    """Return a net with a buffer of an odd kind."""
    net = nn.Linear(2, 2)
    net.register_buffer("odd", ODD[kind]())
    return net


def values(tensor):
    """Return a tensor's values as bytes, whatever its layout is."""
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    return bits(tensor.resolve_conj().resolve_neg())


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch calls most of these experimental, or deprecated
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("kind", ODD)
def test_save_checkpoint_keeps_odd_tensors_or_refuses_them(kind, name, tmp_path):
    """A tensor of any layout comes back with its values in a .pt file; .safetensors may refuse it, and changes none."""
    net, other, before = with_buffer(kind), with_buffer(kind), {*os.listdir(tmp_path)}
    refused = pytest.raises(CheckpointError, match=r"a name that ends in \.pt") if (kind, name) in REFUSED else None

    with refused or contextlib.nullcontext():
        save_checkpoint(tmp_path / name, net, durable=False)
        load_checkpoint(tmp_path / name, other)

    assert ({*os.listdir(tmp_path)} == before) == bool(refused)
    assert refused or other.odd.layout == net.odd.layout
    assert refused or values(other.odd) == values(net.odd)
    assert refused or torch.equal(other.weight, net.weight)
