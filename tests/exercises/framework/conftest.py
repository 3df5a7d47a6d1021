"""What each test of the framework gets."""

import pytest

from d2lcompute.exercises.learner import store


@pytest.fixture(autouse=True)
def _fresh_memory(monkeypatch):
    """Begin each test without hints given and without anything passed."""
    monkeypatch.setattr("d2lcompute.exercises.learner.help._given", {})
    monkeypatch.setattr(store, "_in_memory", set())
