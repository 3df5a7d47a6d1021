"""What validation gives each notebook's kernel: no accelerator, one thread, and a data folder of its own.

``VALIDATION_THREADS`` asks for another number of threads, as ``python -m tools.evidence.hermetic`` does.
"""

import os
import tempfile

import pytest

collect_ignore = ["zh"]  # code and outputs are those of en: tests/notebooks/test_chinese_edition.py


def pytest_collection_modifyitems(items):
    """Begin with the notebook that takes longest: at the end, the other workers would wait for it."""
    items.sort(key=lambda item: item.path.name != "13_distributed.ipynb")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    """Set the environment while nbval starts a kernel, so that stored outputs hold on every machine."""
    before = dict(os.environ)
    threads = os.environ.get("VALIDATION_THREADS", "1")
    os.environ |= {"D2LCOMPUTE_DEVICE": "cpu", "D2LCOMPUTE_LANG": "en"}
    os.environ |= {"OMP_NUM_THREADS": threads, "D2LCOMPUTE_DATA": _folder(item)}
    os.environ.setdefault("PYTHONWARNINGS", f"ignore:{_OF_ONE_PYTHON}")
    os.environ.pop("MPLBACKEND", None)  # a backend meant for tests would keep figures out of the outputs
    try:
        return (yield)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _folder(item):
    """Return a notebook's data folder, which is gone when the tests are."""
    folders = item.config.stash.setdefault(_FOLDERS, {})
    if item.path not in folders:
        folder = tempfile.TemporaryDirectory()
        item.config.add_cleanup(folder.cleanup)
        folders[item.path] = folder
    return folders[item.path].name


_FOLDERS = pytest.StashKey()
_OF_ONE_PYTHON = "Guards may run slower on Python 3.13.0:RuntimeWarning"  # as in pyproject.toml
