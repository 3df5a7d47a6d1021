"""What every test gets: fixed seeds, no accelerator, no window, and a data folder of its own."""

import os

os.environ["D2LCOMPUTE_DEVICE"] = "cpu"  # before torch is imported: a test means the same on every machine
os.environ["D2LCOMPUTE_LANG"] = "en"
os.environ["MPLBACKEND"] = "agg"

import pytest
import torch


@pytest.fixture(autouse=True)
def _same_numbers():
    """Draw the same numbers in every run, in any order of the tests."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    """Keep the learner's own progress out of the tests."""
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(tmp_path / "d2lcompute-data"))
