"""Wrapped: the names that a bare model gives to what torch.compile, DataParallel and DDP put a prefix before."""

import sys
from collections.abc import Mapping
from typing import Any

from torch import nn

__all__ = ["bare_names", "unwrapped"]

_WRAPPERS = {nn.DataParallel: "module", nn.parallel.DistributedDataParallel: "module"}  # class → attribute


def unwrapped(saved: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved state under the names of the bare model, if it was saved with those of a wrapped one.

    A file that was not saved here may hold them: all its keys then begin with ``module.`` or ``_orig_mod.``, and those
    of the model do not.
    """
    renamed = dict(saved)
    while renamed and renamed.keys() != current.keys():
        prefix = next(
            (each for each in ("_orig_mod.", "module.") if all(key.startswith(each) for key in renamed)), None
        )
        if prefix is None:
            return dict(saved)
        renamed = {key.removeprefix(prefix): value for key, value in renamed.items()}
    return renamed


def bare_names(model: nn.Module) -> dict[str, str]:
    """Return, for the keys of a model's state that a wrapper changes, the names that the bare model gives them."""
    dynamo = sys.modules.get("torch._dynamo.eval_frame")  # loaded if anything has been compiled
    wrappers = _WRAPPERS | ({dynamo.OptimizedModule: "_orig_mod"} if dynamo else {})
    prefixes = {}
    for path, module in model.named_modules():
        for wrapper, attribute in wrappers.items():
            if isinstance(module, wrapper):
                outside = f"{path}." if path else ""
                prefixes[f"{outside}{attribute}."] = outside
    bare = {}
    for key in model.state_dict(keep_vars=True) if prefixes else ():
        bare[key] = key
        for prefix in sorted(prefixes, key=len, reverse=True):  # the innermost wrapper first
            if bare[key].startswith(prefix):
                bare[key] = prefixes[prefix] + bare[key].removeprefix(prefix)
    return bare
