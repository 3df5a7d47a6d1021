"""What each test of load_d2l gets."""

import sys
import warnings

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder where Python looks first; d2l and torchvision are not imported yet, and torchvision is not installed."""
    mine = ("d2l", "torchvision", "brought", "known", "other")
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in mine}
    for name in kept:
        del sys.modules[name]
    sys.modules["torchvision"] = None
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in mine]:
        del sys.modules[name]
    sys.modules.update(kept)
