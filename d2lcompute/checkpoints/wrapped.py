"""Wrapped models: the names that a model has without torch.compile, DataParallel and DistributedDataParallel."""

import functools
import itertools
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

__all__ = ["Namer", "file_namer", "namer", "renamed", "unwrapped"]

Namer = Callable[[str], str]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model that the user wrote, out of all that is wrapped around it."""
    while inner := _inner_name(model):
        model = model._modules[inner]  # type: ignore[assignment]  # a wrapper holds a module, never None
    return model


def namer(model: nn.Module) -> Namer:
    """Return a function from a name in ``state_dict`` to the one without the wrappers inside of a model."""
    paths = set()
    for path, module in model.named_modules(remove_duplicate=False):
        if inner := _inner_name(module):
            paths.add(f"{path}.{inner}" if path else inner)

    def plain(name: str) -> str:
        parts = name.split(".")
        return ".".join(part for place, part in enumerate(parts, 1) if ".".join(parts[:place]) not in paths)

    return plain if paths else str


def file_namer(saved: Iterable[str], names: Iterable[str]) -> Namer:
    """Return a function from a name in a file, perhaps written from a wrapped model, to the model's name.

    ``_orig_mod`` is left out anywhere, and ``module`` at the beginning of all names, if more of them fit the model so
    and no two become one.
    """
    known, keys = set(names), list(saved)
    if known == set(keys):
        return str
    bare = [[part for part in key.split(".") if part != "_orig_mod"] for key in keys]
    depth = min((len([*itertools.takewhile("module".__eq__, parts)]) for parts in bare), default=0)
    namers: list[Namer] = [str, *(functools.partial(_bare, depth=number) for number in range(depth + 1))]
    unambiguous = [rename for rename in namers if len({rename(key) for key in keys}) == len(keys)]
    return max(unambiguous, key=lambda rename: len(known.intersection(map(rename, keys))))


def renamed(state: Mapping[str, Any], rename: Namer) -> OrderedDict[str, Any]:
    """Return a state under other names, with the versions of its modules, which ``load_state_dict`` looks at."""
    result = OrderedDict((rename(key), value) for key, value in state.items())
    if hasattr(state, "_metadata"):
        # A wrapper comes before what it wraps and gets the same name: the version of the latter stays.
        result._metadata = {rename(path): version for path, version in state._metadata.items()}  # type: ignore[attr-defined]
    return result


def _bare(name: str, depth: int) -> str:
    """Return a name without ``_orig_mod``, and without ``module`` at its beginning, up to ``depth`` times."""
    parts = [part for part in name.split(".") if part != "_orig_mod"]
    modules = len([*itertools.takewhile("module".__eq__, parts[:depth])])
    return ".".join(parts[modules:])


def _inner_name(module: nn.Module) -> str | None:
    """Return under which name a wrapper holds its model; None for any other module, whatever its submodules are called.

    A wrapper's subclass with parameters or submodules of its own is a module like any other.
    """
    compiler = sys.modules.get("torch._dynamo.eval_frame")  # it is slow to import, and there once a model is compiled
    if isinstance(module, DataParallel | DistributedDataParallel):
        inner = "module"
    elif compiler is not None and isinstance(module, compiler.OptimizedModule):
        inner = "_orig_mod"
    else:
        return None
    return inner if [*module._modules] == [inner] and not module._parameters and not module._buffers else None
