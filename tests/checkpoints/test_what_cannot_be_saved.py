"""What cannot be saved is refused by name, with the way to convert it."""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import os
import re
import types
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import Remembering, Settings, message_of, small


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


def endless():
    """Return a list that holds itself."""
    items = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("value", "label", "kind"),
    [
        (Settings(), "extra['it']", "Settings, which torch.load refuses; save vars(x) for a value x."),
        (..., "extra['it']", "ellipsis, which torch.load refuses; convert it."),
        ({"deep": [0, {"down": range(3)}]}, "extra['it']['deep'][1]['down']", "range, which torch.load refuses; save"),
    ],
    ids=["object", "no way", "nested"],
)
def test_save_checkpoint_refuses_what_could_not_be_loaded(value, label, kind, tmp_path):
    """A value that torch.load would refuse is refused when saving, by the key that leads to it; the old file stays."""
    path = tmp_path / "net.pt"
    save_checkpoint(path, nn.Linear(1, 1), step=1, durable=False)
    before = path.read_bytes()

    message = message_of(save_checkpoint, path, nn.Linear(1, 1), extra={"fine": 1, "it": value})

    assert message.startswith(f"{path}: {label}: expected tensors, numbers, strings, None, or lists, tuples, sets and")
    assert f"found a value of type {kind}" in message
    assert message.endswith("Nothing was written")
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


class Special(torch.Tensor):
    """A tensor of a class that torch.load does not know."""


def test_save_checkpoint_refuses_tensors_of_other_classes(tmp_path):
    """A parameter of a class of its own is refused by name when it is saved, since loading it would run its code."""
    net = nn.ParameterDict({"a": nn.Parameter(torch.ones(2).as_subclass(Special))})

    message = message_of(save_checkpoint, tmp_path / "net.pt", net)

    assert "model['a']: expected tensors, numbers" in message
    assert "found a value of type Special, which torch.load refuses" in message
    assert os.listdir(tmp_path) == []


Point = collections.namedtuple("Point", "x y")  # a plain one, as people write it
Color = enum.Enum("Color", "RED")


@dataclasses.dataclass
class Options:
    """Options as a program may keep them."""

    rate: float = 0.1


def tagged():
    """Return a tensor on which somebody has set an attribute."""
    tensor = torch.ones(2)
    tensor.owner = Settings()
    return tensor


UNUSUAL = [
    np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True), np.str_("a"), np.array(0.5),
    np.ones(2), np.array(["a"]), np.random.default_rng(0),
    nn.Linear(1, 1), torch.optim.SGD([torch.ones(1)]), torch.Generator(), tagged(), torch.ones(2).as_subclass(Special),
    Path("a"), datetime.datetime(2026, 1, 2), datetime.date(2026, 1, 2), datetime.timedelta(1),
    Options(), Point(1, 2), Color.RED, types.SimpleNamespace(a=1), argparse.Namespace(a=1),
    decimal.Decimal(1), fractions.Fraction(1, 2), uuid.UUID(int=1), 2**3000,
    collections.defaultdict(list, a=[1]), types.MappingProxyType({"a": 1}), {Path("a"): 1},
    frozenset({1}), range(3), collections.deque([1]), re.compile("a"), print, nn.Linear, lambda: 0,
]  # fmt: skip


@pytest.mark.parametrize("x", UNUSUAL, ids=lambda x: type(x).__name__)
def test_save_checkpoint_says_how_to_convert(x, tmp_path):
    """The error for a value that cannot be saved has an expression that makes it one that can."""
    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1), extra={"it": x})
    advice = re.search(r"save (.+?)(, which leaves the attributes of x behind,)? for a value x", message)[1]

    save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), extra={"it": eval(advice)}, durable=False)

    assert "it" in load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).extra


def test_save_checkpoint_says_how_to_convert_what_numpy_computes(tmp_path):
    """A loss that NumPy has averaged is told with .item(), a curve with torch.from_numpy."""
    scalar, curve = (
        message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1), extra={"loss": value})
        for value in (np.mean([0.5, 0.7]), np.ones(3))
    )

    assert "found a value of type float64, which torch.load refuses; save x.item() for a value x" in scalar
    assert "found a value of type ndarray, which torch.load refuses; save torch.from_numpy(x) for a value x" in curve


def test_save_checkpoint_refuses_a_lazy_buffer(tmp_path):
    """A buffer without a shape is told like a lazy layer's parameter."""
    net = nn.Module()
    net.register_buffer("mean", nn.UninitializedBuffer())

    message = message_of(save_checkpoint, tmp_path / "net.pt", net)

    assert (
        "net.pt: expected values for 'mean', found a lazy layer that has seen no data and has no shape yet;" in message
    )


@pytest.mark.parametrize(("step", "words"), [(True, "got True (bool)"), (1.0, "got 1.0 (float)")])
def test_save_checkpoint_takes_a_step_of_numpy_and_no_bool(step, words, tmp_path):
    """An integer of NumPy is a step; True and a float are none."""
    save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), step=np.int64(7), durable=False)

    assert load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).step == 7
    assert message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1), error=TypeError, step=step) == (
        f"step must be an integer; {words}"
    )
