"""What each test of a figure gets."""

import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    """Close what a test has drawn: pyplot warns when figures pile up."""
    yield
    plt.close("all")
