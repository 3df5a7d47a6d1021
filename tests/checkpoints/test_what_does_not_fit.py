"""Checkpoints that do not fit a model or an optimizer are refused, and change nothing."""

import re

import pytest
import torch
from torch import nn

from d2lcompute._translation import speaking
from d2lcompute.checkpoints import load_checkpoint, save_checkpoint
from tests.checkpoints.nets import Remembering, bits, everything, linear, message_of, rewrite, sgd, small, train


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


def test_load_checkpoint_keeps_several_optimizers_apart(tmp_path):
    """A net trained by two optimizers takes two files, and neither can be taken for the other."""
    net, _ = small()
    optimizers = [sgd(net[0].parameters()), torch.optim.Adam(net[3].parameters())]
    for optimizer in optimizers:
        train(net, optimizer, 2)
    paths = [tmp_path / "sgd.pt", tmp_path / "adam.pt"]
    for path, optimizer in zip(paths, optimizers, strict=True):
        save_checkpoint(path, net, optimizer, durable=False)
    expected = [bits(optimizer.state_dict()) for optimizer in optimizers]
    again = [sgd(net[0].parameters()), torch.optim.Adam(net[3].parameters())]

    for path, optimizer in zip(paths, again, strict=True):
        load_checkpoint(path, net, optimizer)

    assert [bits(optimizer.state_dict()) for optimizer in again] == expected
    assert "optimizer: 'class': expected SGD, found Adam" in message_of(load_checkpoint, paths[1], net, again[0])


def test_a_file_has_no_language(tmp_path):
    """What a learner of one language saved, optimizer included, one of another loads; errors alone are translated."""
    net, optimizer = small()
    train(net, optimizer, 1)
    for saving, loading in (("zh", "en"), ("en", "zh")):
        with speaking(saving):
            save_checkpoint(tmp_path / "net.pt", net, optimizer)
        with speaking(loading):
            load_checkpoint(tmp_path / "net.pt", *small())

    with speaking("zh"):
        told = message_of(load_checkpoint, tmp_path / "net.pt", nn.Linear(4, 2))

    assert told.startswith(f"{tmp_path / 'net.pt'}: ")  # as in English: what comes after the path can be cut off
    assert "应有而没有的" in told
