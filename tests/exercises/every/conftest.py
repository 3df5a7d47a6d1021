"""What each test of this folder gets."""

import pytest

from tests.exercises.every.exercises_support import _state


@pytest.fixture(autouse=True)
def _everything_stays():
    """Whatever a test hands to a checker, the process is afterwards as it was before."""
    before = _state()
    yield
    assert _state() == before
