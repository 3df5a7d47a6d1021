"""What each test of the machine gets."""

import pytest

from d2lcompute import pretend_gpus


@pytest.fixture
def machine():
    """Open a block with two pretended devices for the length of a test."""
    with pretend_gpus(2) as machine:
        yield machine
