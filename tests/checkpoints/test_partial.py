"""Loading a part of a checkpoint: what fits is loaded, the rest is named, and an error changes nothing."""

import contextlib
import copy

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import load_checkpoint, restoring, save_checkpoint
from tests.checkpoints.fire.interruptions import OURS, ctrl_c, interrupting, numbers_of_lines, run_by_line
from tests.checkpoints.nets import Remembering, everything, linear, message_of, sgd, tied


@pytest.fixture(params=["net.pt", "net.safetensors"])
def backbone(request, tmp_path):
    """A saved net with a layer of 3 × 4 and a head of 4 × 10, and its path."""
    net = linear(3, 4, 10)
    save_checkpoint(tmp_path / request.param, net, durable=False)
    return tmp_path / request.param, net


@pytest.mark.parametrize("plain", [True, False])
def test_load_checkpoint_loads_a_backbone_under_a_new_head(plain, backbone, monkeypatch):
    """Entries of the same name, shape and dtype are loaded; the others are named on both sides and stay."""
    path, net = backbone
    other = linear(3, 4, 2, 2)
    head = copy.deepcopy(other[1].state_dict())
    monkeypatch.setattr(restoring, "_is_plain", lambda tensor: plain)

    loaded = load_checkpoint(path, other, partial=True)

    assert torch.equal(other[0].weight, net[0].weight)
    assert torch.equal(other[0].bias, net[0].bias)
    assert torch.equal(other[1].weight, head["weight"])
    assert sorted(loaded.skipped) == ["1.bias", "1.weight"]
    assert loaded.kept == ("1.weight", "1.bias", "2.weight", "2.bias")


def test_load_checkpoint_partially_skips_another_dtype(backbone):
    """A dtype that differs is not converted: the entry is skipped, as one of another shape."""
    other = linear(3, 4, 10)
    other[1].double()

    loaded = load_checkpoint(backbone[0], other, partial=True)

    assert sorted(loaded.skipped) == sorted(loaded.kept) == ["1.bias", "1.weight"]


def test_load_checkpoint_partially_of_what_fits_whole_leaves_nothing_out(backbone):
    """Where all fits, a partial load is a whole one."""
    path, net = backbone
    other = linear(3, 4, 10)

    loaded = load_checkpoint(path, other, partial=True)

    assert everything(other) == everything(net)
    assert (loaded.skipped, loaded.kept) == ((), ())


def test_load_checkpoint_partially_refuses_a_file_of_which_nothing_fits(backbone):
    """A file that shares no entry with the model is an error with the first names of both."""
    net = nn.Sequential(nn.Linear(7, 7))
    before = everything(net)

    message = message_of(load_checkpoint, backbone[0], net, partial=True)

    assert "expected an entry that fits, found none; the model has '0.weight', '0.bias', the file has '0." in message
    assert message.endswith("If the file holds a part of the model, load it into that part, as into model.backbone")
    assert everything(net) == before


def test_load_checkpoint_partially_refuses_an_optimizer(backbone):
    """An optimizer's state belongs to all parameters that were saved: it is refused beside a part of them."""
    net = linear(3, 4, 2)

    message = message_of(load_checkpoint, backbone[0], net, sgd(net.parameters()), error=ValueError, partial=True)

    assert message.startswith("partial=True loads a part of the model alone, and an optimizer's state belongs to all")
    assert message.endswith("leave out optimizer, and make a new one")


def test_load_checkpoint_names_what_to_do_where_a_part_would_fit(backbone):
    """The error of a whole load that does not fit speaks of the partial one."""
    message = message_of(load_checkpoint, backbone[0], linear(3, 4, 2))

    assert message.endswith("build the model as it was when the file was saved, or load what fits with partial=True")


def test_load_checkpoint_partially_counts_tied_names_as_loaded(tmp_path):
    """A name that is missing in the file did not keep its value if it is tied to one that was loaded."""
    save_checkpoint(tmp_path / "net.pt", nn.Sequential(nn.Linear(3, 3, bias=False)), durable=False)

    loaded = load_checkpoint(tmp_path / "net.pt", tied(), partial=True)

    assert loaded.kept == ("0.bias", "1.bias")


def test_load_checkpoint_partially_leaves_extra_state_that_is_missing(tmp_path):
    """Extra state of a module that the file does not know stays, and is named."""
    net = Remembering("own")
    save_checkpoint(tmp_path / "net.pt", nn.Linear(2, 2), durable=False)

    loaded = load_checkpoint(tmp_path / "net.pt", net, partial=True)

    assert (net.memory, loaded.kept) == ("own", ("_extra_state",))


@interrupting
@pytest.mark.parametrize("plain", [True, False])
def test_load_checkpoint_partially_is_whole_wherever_ctrl_c_comes(plain, backbone, monkeypatch):
    """Ctrl-C before any line leaves all as it was, or all that fits loaded."""
    monkeypatch.setattr(restoring, "_is_plain", lambda tensor: plain)
    path, other = backbone[0], linear(3, 4, 2)
    old, state = everything(other), copy.deepcopy(other.state_dict())
    load_checkpoint(path, other, partial=True)
    new, outcomes = everything(other), set()

    for number in numbers_of_lines(lambda: load_checkpoint(path, other, partial=True), files=OURS):
        other.load_state_dict(state)
        with contextlib.suppress(KeyboardInterrupt):
            run_by_line(lambda: load_checkpoint(path, other, partial=True), number, ctrl_c)
        outcomes.add("old" if everything(other) == old else "new" if everything(other) == new else "mixture")

    assert {"old"} <= outcomes <= {"old", "new"}
