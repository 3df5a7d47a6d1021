"""How tests are dealt out to workers: a file stays on one worker, but for the two long ones, which are split."""

import pytest

SPLIT = {
    "test_exercises.py": lambda item: item.name.rpartition("[")[2],  # the tests of one exercise together
    "test_solved.py": lambda item: item.name,
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name each item's group for ``--dist loadgroup``; a notebook's cells need one kernel, so they share a worker."""
    for item in items:
        part = SPLIT.get(item.path.name, lambda _: "")(item)
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name} {part}".strip()))
