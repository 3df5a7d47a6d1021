"""load_d2l: the book's own package, beside current libraries."""

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from d2lcompute import interop
from d2lcompute.interop import load_d2l
from tests.interop.interop_support import PIP, SHAPE, everything, imports_of, write, write_book

CHOOSE = (
    "Choose torch and torchvision together with the selector on pytorch.org: "
    f'{PIP} "torch=={torch.__version__.split("+")[0]}" torchvision, with the index that it shows for your build; '
    "then restart Python"
)


def run(code, *, cwd=None):
    """Run code in a new Python and return what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
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
