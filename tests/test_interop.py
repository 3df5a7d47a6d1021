"""The book's package: the real one loads, and everything that can be in its way is told and leaves no trace.

Most tests load a small package of the same shape, written to a folder of the test; those that load the real one hold
with torchvision and without. The environment needs d2l: `make d2l`.
"""

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
import threading
import time
import tomllib
import types
import warnings
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from d2lcompute import interop
from d2lcompute.interop import load_d2l

SHAPE = """
import torch
import torchvision
from torchvision import transforms, io as reading

class Timer: pass
def try_gpu(): return torch.device("cpu")
def pictures(): return torchvision.datasets.Pictures()
class Prepared:
    def __init__(self): self.trans = transforms.Compose([])
def transpose(): pass
"""
PIP = f'"{sys.executable}" -m pip install'
CHOOSE = (
    "Choose torch and torchvision together with the selector on pytorch.org: "
    f'{PIP} "torch=={torch.__version__.split("+")[0]}" torchvision, with the index that it shows for your build; '
    "then restart Python"
)
NOT_INSTALLED = (
    f"d2l is not installed: {PIP} --no-deps d2l==1.0.3, without its pins, which are of 2023 (in the folder of this "
    "course, `make d2l` does so and installs what d2l imports); then call load_d2l() again"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder where Python looks first; d2l and torchvision are not imported yet, and torchvision is not installed."""
    mine = ("d2l", "torchvision", "brought", "known", "other")
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in mine}
    for name in kept:
        del sys.modules[name]
    sys.modules["torchvision"] = None
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings():
        yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in mine]:
        del sys.modules[name]
    sys.modules.update(kept)


def write(folder, files):
    """Write Python files, path → text; each folder gets an empty __init__.py where none is given."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if file.parent != folder and not (file.parent / "__init__.py").exists():
            (file.parent / "__init__.py").touch()
    importlib.invalidate_caches()


def write_book(folder, end="", shape=SHAPE):
    """Write a d2l of the book's shape that ends with the given lines."""
    write(folder, {"d2l/torch.py": shape + end})


def everything():
    """Return what a failed attempt must leave as it was."""
    names = set(vars(sys.modules.get("d2l") or torch))
    lists = (sys.path, sys.meta_path, sys.path_hooks, list(warnings.filters))
    return {**sys.modules}, names, [list(entries) for entries in lists], torch.get_default_dtype()


def imports_of(path):
    """Return the libraries that a file imports at its top level, without the standard one."""
    tops = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "names")]
    names = {getattr(node, "module", None) or alias.name for node in tops for alias in node.names}
    return {name.partition(".")[0] for name in names} - sys.stdlib_module_names


def run(code, *, cwd=None):
    """Run code in a new Python and return what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# The real package.

REAL = """
import json, logging, os, sys, time, warnings
import matplotlib, torch
from d2lcompute.interop import load_d2l

class Hidden:  # where torchvision is installed, this makes it look as if it were not
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torchvision":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())

def settings():
    return [
        list(warnings.filters), torch.get_rng_state().tolist(), str(torch.get_default_dtype()), torch.get_num_threads(),
        torch.is_grad_enabled(), repr(dict(matplotlib.rcParams)), dict(os.environ), list(sys.path),
        [repr(finder) for finder in sys.meta_path], logging.root.level, len(logging.root.handlers),
        repr((sys.excepthook, sys.displayhook)),
    ]

def said(use):
    try:
        use()
    except ImportError as error:
        return type(error).__name__ + ": " + str(error)

before = settings()
loaded = {name.partition(".")[0] for name in sys.modules}
sys.modules["scipy.spatial"] = None  # what d2l imports last
failed = said(load_d2l)
del sys.modules["scipy.spatial"]
left = sorted({name.partition(".")[0] for name in sys.modules} - loaded)
undone = settings() == before
started = time.perf_counter()
module = load_d2l()
seconds = time.perf_counter() - started
after = settings()
from d2l import torch as d2l

def plain_import():
    import torchvision

print(json.dumps({
    "failed": failed, "left": left, "undone": undone,
    "same": d2l is module is load_d2l() and module.__name__ == "d2l.torch",
    "settings": before[1:] == after[1:],
    "filters": sorted({filter[2].__module__ for filter in after[0] if filter not in before[0]}),
    "torchvision": [name for name in sys.modules if name.partition(".")[0] == "torchvision"],
    "plain": said(plain_import),
    "classes": [said(d2l.FashionMNIST), said(lambda: d2l.VOCSegDataset(True, (2, 2), "nowhere"))],
    "function": said(lambda: d2l.load_data_fashion_mnist(8)),
    "notebook": said(lambda: d2l.torchvision.datasets),
    "files": os.listdir("."),
    "works": d2l.reduce_mean(d2l.tensor([1.0, 3.0])).item(),
    "seconds": seconds,
}))
"""


@pytest.mark.slow
def test_load_d2l_returns_the_real_module_without_torchvision(tmp_path):
    """Beside current libraries d2l loads, also after a failure; what needs torchvision says so when it is used."""
    answer = run(REAL, cwd=tmp_path)

    missing = f", and torchvision is not installed. {CHOOSE}"
    assert "raised ModuleNotFoundError: import of scipy.spatial halted" in answer["failed"]
    assert (answer["left"], answer["undone"]) == ([], True)
    assert (answer["same"], answer["settings"], answer["works"]) == (True, True, 2.0)
    assert {module.split(".")[0] for module in answer["filters"]} <= {"builtins", "requests", "scipy", "urllib3"}
    assert (answer["torchvision"], answer["files"]) == ([], [])
    assert answer["plain"] == "ModuleNotFoundError: No module named 'torchvision'"
    assert answer["classes"] == [
        f"ImportError: FashionMNIST.__init__ of d2l needs torchvision.transforms.Compose{missing}",
        f"ImportError: VOCSegDataset.__init__ of d2l needs torchvision.transforms{missing}",
    ]
    assert (
        answer["function"]
        == f"ImportError: load_data_fashion_mnist of d2l needs torchvision.transforms.ToTensor{missing}"
    )
    assert answer["notebook"] == f"ImportError: this line needs torchvision.datasets{missing}"


def test_load_d2l_takes_the_installed_file_as_it_is():
    """Where torchvision is installed this is a plain import; where not, all else in the file is there all the same."""
    d2l = load_d2l()

    tree = ast.parse(Path(d2l.__file__).read_text(encoding="utf-8"))
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    plain = type(d2l.__loader__) is SourceFileLoader
    assert defined <= set(vars(d2l))
    assert plain == (importlib.util.find_spec("torchvision") is not None) == ("torchvision" in sys.modules)
    assert Path(d2l.__file__) == Path(importlib.util.find_spec("d2l").origin).with_name("torch.py")


def test_load_d2l_needs_torchvision_for_six_names_alone():
    """What d2l 1.0.3 cannot do without torchvision are its picture data sets: six names, as the docs say."""
    tree = ast.parse(Path(load_d2l().__file__).read_text(encoding="utf-8"))

    users = {
        definition.name
        for definition in tree.body
        if isinstance(definition, ast.FunctionDef | ast.ClassDef)
        and {"torchvision", "transforms"} & {node.id for node in ast.walk(definition) if isinstance(node, ast.Name)}
    }

    assert users == {
        "FashionMNIST",
        "VOCSegDataset",
        "load_data_fashion_mnist",
        "read_data_bananas",
        "read_voc_images",
        "voc_rand_crop",
    }


def test_extra_book_holds_what_d2l_imports():
    """The project's extra `book`, with torch and numpy, is exactly what the installed d2l imports at its top level."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = {Requirement(line).name for line in project["optional-dependencies"]["book"]}

    needed = {interop._DISTRIBUTIONS.get(name, name) for name in imports_of(Path(load_d2l().__file__))}

    assert needed == extra | {"torch", "numpy", "torchvision"}


def test_load_d2l_names_all_that_is_missing_beside_the_real_package(monkeypatch, folder):
    """Missing libraries are named at once, with one command, before anything was imported."""
    for name in ("pandas", "scipy", "requests", "PIL", "IPython", "matplotlib_inline"):
        monkeypatch.setitem(sys.modules, name, None)
    before = everything()

    with pytest.raises(ImportError) as caught:
        load_d2l()

    assert str(caught.value) == (
        f"d2l imports what is not installed here: {PIP} ipython matplotlib-inline pandas pillow requests scipy"
    )
    assert everything() == before


# A package of the same shape.


def test_load_d2l_gives_later_imports_the_same_module(folder):
    """The next cell's `from d2l import torch as d2l` and a second call give the same module; no finder stays."""
    write_book(folder)
    finders = list(sys.meta_path)

    first = load_d2l()
    from d2l import torch as second

    assert first is second is load_d2l() is sys.modules["d2l.torch"]
    assert Path(first.__file__) == folder / "d2l" / "torch.py"
    assert sys.meta_path == finders


def test_load_d2l_loads_what_was_kept_from_being_imported(folder):
    """None in the place of the module, which makes a plain import fail, does not keep the book away."""
    write_book(folder)
    sys.modules["d2l.torch"] = None

    d2l = load_d2l()

    assert d2l is sys.modules["d2l.torch"]
    assert hasattr(d2l, "transpose")


def test_load_d2l_does_not_miss_its_finder(folder, monkeypatch):
    """A library that rearranges the finders while it is imported is no reason to fail."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    finders = list(sys.meta_path)
    write_book(folder, "import sys\ndel sys.meta_path[0]")

    d2l = load_d2l()

    assert hasattr(d2l, "transpose")
    assert sys.meta_path == finders


def test_load_d2l_keeps_lines_and_source(folder):
    """Tracebacks and inspect.getsource show d2l's own lines, and no changed bytecode is kept for others to find."""
    write_book(folder)

    d2l = load_d2l()

    assert d2l.pictures.__code__.co_firstlineno == 1 + SHAPE.splitlines().index(
        "def pictures(): return torchvision.datasets.Pictures()"
    )
    assert list(folder.glob("d2l/__pycache__/torch.*")) == []


@pytest.mark.parametrize(
    ("use", "user"),
    [
        (lambda d2l: d2l.pictures(), "pictures of d2l needs torchvision.datasets"),
        (lambda d2l: d2l.Prepared(), "Prepared.__init__ of d2l needs torchvision.transforms.Compose"),
        (lambda d2l: d2l.reading.read_image, "this line needs torchvision.io.read_image"),
    ],
)
def test_load_d2l_lets_names_that_need_torchvision_raise_on_use(folder, use, user):
    """The error says who needs which name, what to install and how."""
    write_book(folder)
    d2l = load_d2l()

    with pytest.raises(ImportError) as caught:
        use(d2l)

    assert str(caught.value) == f"{user}, and torchvision is not installed. {CHOOSE}"
    assert caught.value.name == "torchvision"


def test_load_d2l_lets_its_stand_ins_be_looked_at(folder):
    """What IPython, inspect and pytest ask of any object gets the answer that a module gives."""
    write_book(folder)

    d2l = load_d2l()

    assert not hasattr(d2l.torchvision, "__wrapped__")
    assert not hasattr(d2l.transforms, "_repr_html_")
    assert repr(d2l.transforms) == "<module 'torchvision.transforms'>"


def test_load_d2l_uses_a_torchvision_that_works(folder):
    """With a torchvision that imports, d2l is imported as ever and holds that torchvision."""
    del sys.modules["torchvision"]
    write(folder, {"torchvision/transforms.py": "Compose = list", "torchvision/io.py": ""})
    write_book(folder)

    d2l = load_d2l()

    assert type(d2l.__loader__) is SourceFileLoader
    assert d2l.torchvision is sys.modules["torchvision"]
    assert d2l.Prepared().trans == []


def test_load_d2l_gets_by_with_a_torchvision_made_for_another_torch(folder):
    """A torchvision whose import fails is told on use, with its own error; nothing of it stays, nor is hidden."""
    del sys.modules["torchvision"]
    broken = 'import torchvision.extension\nraise RuntimeError("operator torchvision::nms does not exist")'
    write(folder, {"torchvision/__init__.py": broken, "torchvision/extension.py": ""})
    write_book(folder)

    d2l = load_d2l()

    assert [name for name in sys.modules if name.startswith("torchvision")] == []
    with pytest.raises(ImportError) as caught:
        d2l.pictures()
    assert str(caught.value) == (
        "pictures of d2l needs torchvision.datasets, and torchvision is installed, but its import fails (RuntimeError: "
        f"operator torchvision::nms does not exist). {CHOOSE}"
    )
    with pytest.raises(RuntimeError, match="torchvision::nms"):
        importlib.import_module("torchvision")


def test_load_d2l_shows_no_torchvision_to_others(folder):
    """A library that asks during loading whether torchvision is installed hears the truth."""
    write_book(folder, "import brought")
    write(folder, {"brought.py": "import importlib.util\nFOUND = importlib.util.find_spec('torchvision')"})

    d2l = load_d2l()

    assert d2l.brought.FOUND is None


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


# What these tests notice.


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
