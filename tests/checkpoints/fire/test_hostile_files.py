"""Hostile checkpoints: no code in a file is run."""

import contextlib
import copyreg
import io
import os
import pickle
import re
import zipfile

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import load_checkpoint
from tests.checkpoints.nets import everything, message_of, small


class Reduce:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Build:
    """Pickles as an object that makes a folder when its state is set."""

    def __init__(self, path):
        self.path = path

    def __setstate__(self, state):
        os.mkdir(state["path"])


class Layer(nn.Linear):
    """A whole model with code in it."""

    def __init__(self, path):
        super().__init__(1, 1)
        self.path = path

    def __setstate__(self, state):
        os.mkdir(state["path"])


class Sorted(dict):
    """A dict that calls something for each of its items."""

    def __reduce__(self):
        return os.mkdir, (self["path"],)


class Born:
    """An object whose class makes a folder when it is created."""

    def __new__(cls, path):
        os.mkdir(path)
        return super().__new__(cls)


def text(path):
    """Write a string as the oldest protocol does."""
    return b"V" + str(path).replace("\\", "\\u005c").encode("raw_unicode_escape") + b"\n"


def inner(path):
    """Return a file that runs code, as bytes to be loaded by another one."""
    torch.save(Reduce(os.mkdir, str(path)), buffer := io.BytesIO(), _use_new_zipfile_serialization=False)
    return buffer.getvalue()


MKDIR, BORN = b"cos\nmkdir\n", f"c{__name__}\nBorn\n".encode()


# Whole pickles: each opcode that can call something, then calls that are hidden, or go by names that look harmless.
PICKLES = {
    "GLOBAL, REDUCE": lambda path: MKDIR + b"(" + text(path) + b"tR.",
    "STACK_GLOBAL": lambda path: b"\x8c\x02os\x8c\x05mkdir\x93(" + text(path) + b"tR.",
    "EXT1": lambda path: b"\x80\x02\x82\xf0(" + text(path) + b"tR.",
    "INST": lambda path: b"(" + text(path) + b"ios\nmkdir\n.",
    "OBJ": lambda path: b"(" + MKDIR + text(path) + b"o.",
    "NEWOBJ": lambda path: b"\x80\x02" + BORN + text(path) + b"\x85\x81.",
    "NEWOBJ_EX": lambda path: BORN + text(path) + b"\x85}\x92.",
    "BUILD": lambda path: pickle.dumps(Build(str(path)), 2),
    "thrown away": lambda path: MKDIR + b"(" + text(path) + b"tR0}.",
    "persistent": lambda path: MKDIR + b"(" + text(path) + b"tRQ.",
    "memoized": lambda path: MKDIR + b"q\x000h\x00(" + text(path) + b"tR.",
    "getattr": lambda path: b"cbuiltins\ngetattr\n(" + MKDIR + b"V__call__\ntR(" + text(path) + b"tR.",
    "partial": lambda path: b"cfunctools\npartial\n(" + MKDIR + text(path) + b"tR(tR.",
    "torch loads": lambda path: pickle.dumps(Reduce(torch.storage._load_from_bytes, inner(path)), 2),
    "torch trusts": lambda path: (
        b"ctorch.serialization\nadd_safe_globals\n((l" + MKDIR + b"atR0" + MKDIR + b"(" + text(path) + b"tR."
    ),
}


HOSTILE = {
    "reduce": lambda content, path: content.update(extra={"loss": Reduce(os.mkdir, path)}),
    "eval": lambda content, path: content.update(extra={"x": Reduce(eval, f"__import__('os').mkdir({path!r})")}),
    "exec": lambda content, path: content.update(step=Reduce(exec, f"import os; os.mkdir({path!r})")),
    "build": lambda content, path: content.update(extra={"settings": Build(path)}),
    "nested": lambda content, path: content["extra"].update(a=[({"b": [{"c": (1, Reduce(os.mkdir, path))}]},)]),
    "key": lambda content, path: content["extra"].update({(Reduce(os.mkdir, path), 1): 2}),
    "model": lambda content, path: content["model"].update({"0.weight": Reduce(os.mkdir, path)}),
    "optimizer": lambda content, path: content["optimizer"]["state_dict"]["state"][0].update(x=Reduce(os.mkdir, path)),
    "options": lambda content, path: content["optimizer"]["state_dict"]["param_groups"][0].update(lr=Build(path)),
    "subclass": lambda content, path: content.update(model=Sorted(path=path)),
    "module": lambda content, path: content.update(model=Layer(path)),
}


@pytest.fixture
def extension():
    """The number of a global that a program has registered, as pickles may name it."""
    copyreg.add_extension("os", "mkdir", 240)
    yield
    copyreg.remove_extension("os", "mkdir", 240)


@pytest.mark.usefixtures("extension")
@pytest.mark.parametrize("kind", [*HOSTILE, *PICKLES])
def test_load_checkpoint_runs_no_code(kind, saved, monkeypatch):
    """A pickle that would run code, anywhere in the file, is refused and does not run; unsafe loading runs it."""
    path, trap = saved[0], saved[0].parent / "trap"
    content = torch.load(path, weights_only=True)
    if kind in PICKLES:
        replace_pickle(path, PICKLES[kind](trap))
    else:
        HOSTILE[kind](content, str(trap))
        torch.save(content, path)
    net, optimizer = small()
    before = everything(net, optimizer)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")

    for options in ({}, {"verify": False}):
        message = message_of(load_checkpoint, path, net, optimizer, **options)
        found = r"found (\S+|what cannot be decoded), and loading that can run any code"
        assert re.search(f"expected tensors and plain values, {found}", message)
        assert "Nothing was run." in message
        assert "weights_only" not in message

    assert not trap.exists()
    assert everything(net, optimizer) == before
    with contextlib.suppress(Exception), torch.serialization.safe_globals([]):
        torch.load(path, weights_only=False)
    assert trap.exists()


def replace_pickle(path, data):
    """Put another pickle into an archive, with right checksums."""
    with zipfile.ZipFile(path) as old:
        records = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, record in records.items():
            new.writestr(name, data if name.endswith("data.pkl") else record)


@pytest.mark.parametrize("data", [b"", b".", b"\x80\x02}q\x00", b"\x80\x04\x95", pickle.dumps({}, 5), b"\xff" * 9])
def test_load_checkpoint_refuses_a_pickle_without_sense(data, saved):
    """A pickle that cannot be decoded, with right checksums, is an error like any other."""
    replace_pickle(saved[0], data)
    net, optimizer = small()
    before = everything(net, optimizer)

    message_of(load_checkpoint, saved[0], net, optimizer)

    assert everything(net, optimizer) == before
