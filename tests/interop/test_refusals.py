"""load_d2l where something is missing or broken: what it says, and that it leaves no trace."""

import importlib
import importlib.util
import sys
import threading
import time
import types
import warnings

import pytest
import torch

from d2lcompute import interop
from d2lcompute.interop import load_d2l
from tests.interop.interop_support import PIP, SHAPE, everything, imports_of, write, write_book

NOT_INSTALLED = (
    f"d2l is not installed: {PIP} --no-deps d2l==1.0.3, without its pins, which are of 2023 (in the folder of this "
    "course, `make d2l` does so and installs what d2l imports); then call load_d2l() again"
)


def test_load_d2l_says_that_d2l_is_not_installed(folder, monkeypatch):
    """Without d2l, also where a folder of data is called so, the error says how to install it."""
    (folder / "d2l").mkdir()
    (folder / "d2l" / "kaggle.csv").touch()
    monkeypatch.setattr(sys, "path", [str(folder)])
    before = everything()

    with pytest.raises(ImportError) as caught:
        load_d2l()

    assert (str(caught.value), caught.value.name) == (NOT_INSTALLED, "d2l")
    assert everything() == before


@pytest.mark.parametrize(
    ("files", "hiding"),
    [
        ({"d2l.py": "raise SystemExit"}, "d2l.py"),
        ({"d2l/__init__.py": "raise SystemExit"}, "d2l/__init__.py"),
        ({"d2l/torch.py": "raise SystemExit", "d2l/__init__.py": "raise SystemExit"}, "d2l/__init__.py"),
    ],
    ids=["a file", "a folder", "a folder with a torch.py"],
)
def test_load_d2l_names_what_hides_the_books_package(folder, files, hiding):
    """Another d2l, found first, is named, and none of its code is run."""
    write(folder, files)
    before = everything()

    with pytest.raises(ImportError) as caught:
        load_d2l()

    assert str(caught.value) == (
        f"`import d2l` finds {folder / hiding}, which is not the book's package: rename that file or its folder, or "
        "start Python in another folder, then restart it"
    )
    assert caught.value.name == "d2l"
    assert everything() == before


def test_load_d2l_names_a_folder_that_is_no_package(folder, monkeypatch):
    """A folder d2l with a torch.py of the learner's own, and without an __init__.py, is named as well."""
    monkeypatch.setattr(sys, "path", [str(folder)])
    (folder / "d2l").mkdir()
    (folder / "d2l" / "torch.py").write_text("raise SystemExit", encoding="utf-8")

    with pytest.raises(ImportError) as caught:
        load_d2l()

    assert str(caught.value).startswith(f"`import d2l` finds {folder / 'd2l'}, which is not the book's package: ")


def test_load_d2l_gets_by_with_modules_made_by_hand(folder):
    """A library that somebody put into sys.modules without a spec serves; a `d2l` made so is an ImportError as well."""
    sys.modules["brought"] = types.ModuleType("brought")
    write_book(folder, "import brought")
    d2l = load_d2l()
    del sys.modules["d2l.torch"]
    sys.modules["d2l"] = types.ModuleType("d2l")

    with pytest.raises(ImportError):
        load_d2l()

    assert d2l.brought is sys.modules["brought"]


def test_load_d2l_goes_on_after_a_plain_import_that_failed(folder):
    """A learner who tried `from d2l import torch` first, in vain, loses nothing by it."""
    write_book(folder)
    with pytest.raises(ImportError):
        importlib.import_module("d2l.torch")

    d2l = load_d2l()

    assert "d2l" in sys.modules
    assert d2l is sys.modules["d2l"].torch


def test_load_d2l_replaces_half_a_module(folder):
    """A d2l.torch without its names, whoever left it, is loaded anew; if that fails it is put back."""
    half = sys.modules["d2l.torch"] = types.ModuleType("d2l.torch")
    write_book(folder, "1 / 0")
    with pytest.raises(ImportError):
        load_d2l()
    left = sys.modules["d2l.torch"]
    write_book(folder)

    whole = load_d2l()

    assert left is half
    assert whole is sys.modules["d2l.torch"] is not half


@pytest.mark.parametrize("error", ["ZeroDivisionError('why')", "KeyboardInterrupt", "SystemExit"])
@pytest.mark.parametrize("parent_first", [False, True])
def test_load_d2l_leaves_no_trace_of_a_failure(folder, error, parent_first):
    """Whatever ends the import, the modules that it brought and the filters that it set are gone again."""
    write(folder, {"brought/part.py": ""})
    write_book(folder, f"import warnings, brought.part\nwarnings.simplefilter('ignore')\nraise {error}")
    if parent_first:
        importlib.import_module("d2l")
    before = everything()

    with pytest.raises((ImportError, KeyboardInterrupt, SystemExit)) as caught:
        load_d2l()

    assert everything() == before
    if "why" in error:
        file = folder / "d2l" / "torch.py"
        assert str(caught.value) == f"d2l does not load here: {file} raised ZeroDivisionError: why"
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
        assert caught.value.name == "d2l"


def test_load_d2l_leaves_no_trace_of_ctrl_c_after_the_import(folder, monkeypatch):
    """Stopped between the end of the import and its own return, it takes the finished module back as well."""
    write_book(folder)
    importlib.import_module("d2l")
    before = everything()

    def stopped(name):
        importlib.import_module(name)
        raise KeyboardInterrupt

    monkeypatch.setattr(interop, "import_module", stopped)
    with pytest.raises(KeyboardInterrupt):
        load_d2l()

    assert everything() == before


def test_load_d2l_keeps_new_parts_of_libraries_that_were_there(folder):
    """After a failure a library that was loaded before keeps its new parts: numpy's cannot be loaded a second time."""
    write(folder, {"known/part.py": ""})
    write_book(folder, "import known.part\nraise ValueError")
    known = importlib.import_module("known")

    with pytest.raises(ImportError):
        load_d2l()

    assert sys.modules["known.part"] is known.part


def test_load_d2l_keeps_what_other_threads_import_meanwhile(folder):
    """A failure takes nothing away from a thread that imports something of its own at the same time."""
    elsewhere = "thread = threading.Thread(target=__import__, args=['other']); thread.start(); thread.join()"
    write(folder, {"other.py": "", "brought.py": ""})
    write_book(folder, f"import threading\n{elsewhere}\nimport brought\nraise ValueError")

    with pytest.raises(ImportError):
        load_d2l()

    assert ("other" in sys.modules, "brought" in sys.modules) == (True, False)


@pytest.mark.parametrize("second", [load_d2l, lambda: importlib.import_module("d2l.torch")], ids=["twice", "plain"])
def test_load_d2l_serves_two_threads_at_once(folder, second):
    """A second thread, by either way, waits for the first and gets the same whole module, which ran once."""
    write(folder, {"known.py": "import threading\nruns, begun, goon = [], threading.Event(), threading.Event()"})
    write_book(folder, shape=f"import known\nknown.runs.append(1)\nknown.begun.set()\nknown.goon.wait(30)\n{SHAPE}")
    known = importlib.import_module("known")
    found = []

    threads = [
        threading.Thread(target=lambda: found.append(load_d2l())),
        threading.Thread(target=lambda: found.append(second())),
    ]
    threads[0].start()
    known.begun.wait(30)
    threads[1].start()
    known.goon.set()
    for thread in threads:
        thread.join()

    assert len(found) == 2
    assert found[0] is found[1] is sys.modules["d2l.torch"]
    assert known.runs == [1]
    assert hasattr(found[0], "transpose")


def test_load_d2l_loads_one_at_a_time(folder, monkeypatch):
    """While one thread is at it, another's attempt does not begin: each undoes its own, and no other's."""
    write_book(folder)
    at_it, most = [], []
    prepare = interop._spec

    def slowly():
        at_it.append(1)
        time.sleep(0.05)
        most.append(len(at_it))
        at_it.pop()
        return prepare()

    monkeypatch.setattr(interop, "_spec", slowly)
    threads = [threading.Thread(target=load_d2l) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1]


def test_everything_notices_a_stand_in_that_is_left_behind(folder):
    """The usual way out, a made-up torchvision in sys.modules, is seen: by what changed, and by who finds it."""
    write_book(folder, "raise ValueError")
    before = everything()

    made_up = types.ModuleType("torchvision")
    sys.modules["torchvision"] = made_up
    with pytest.raises(ImportError):
        importlib.import_module("d2l.torch")

    assert everything() != before
    assert importlib.import_module("torchvision") is made_up


@pytest.mark.parametrize(
    "careless",
    [
        lambda: sys.modules.update(brought=types.ModuleType("brought")),
        lambda: sys.path.append("x"),
        lambda: sys.meta_path.append(None),
        lambda: warnings.simplefilter("ignore"),
        lambda: setattr(sys.modules["d2l"], "torch", None),
        lambda: torch.set_default_dtype(torch.float64),
    ],
)
def test_everything_notices_each_kind_of_trace(folder, careless, monkeypatch):
    """A module, a path, a finder, a filter, an attribute of the package, a setting of torch: each is seen."""
    write_book(folder)
    importlib.import_module("d2l")
    for name in ("path", "meta_path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    before = everything()

    careless()
    after = everything()
    torch.set_default_dtype(torch.float32)

    assert after != before


def test_imports_of_reads_the_top_level_alone(tmp_path):
    """What a function imports when it is called is not needed for loading; the standard library never is."""
    write(tmp_path, {"mine.py": "import os, numpy as np\nfrom scipy.spatial import x\ndef f():\n    import gym"})

    assert imports_of(tmp_path / "mine.py") == {"numpy", "scipy"}
