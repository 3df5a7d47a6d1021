"""One server for many tests: it imports torch once."""

import sys

import pytest

from d2lcompute.grading.confinement import Limits
from d2lcompute.grading.pool import Server
from tests.grading.grading_support import NOT_CONFINED

if sys.platform == "win32":  # their servers fork, and their files are pipes, links and bytes that are no text
    collect_ignore = ["test_class.py", "test_judging.py", "test_points_and_ledger.py", "test_submissions.py"]

QUICK = Limits(seconds=15, cpu_seconds=15, memory_bytes=500_000_000, processes=16)


@pytest.fixture(scope="session")
def server():
    """A server that shuts answers in, where the system lets it."""
    made = Server(confined=not NOT_CONFINED)
    yield made
    made.close()


@pytest.fixture(scope="session")
def quick_server():
    """One that stops answers after some seconds, for those that have to be stopped."""
    made = Server(confined=not NOT_CONFINED, limits=QUICK)
    yield made
    made.close()
