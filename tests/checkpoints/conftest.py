"""What the tests of checkpoints are given: a file."""

import pytest

from tests.checkpoints.nets import save_trained


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a trained net: its path, and all bits of what it holds."""
    return save_trained(tmp_path / "net.pt")
