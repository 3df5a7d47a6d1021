"""Who may import whom: DESIGN's rule as an allow-list, and what `import d2lcompute` brings along and leaves alone."""

import ast
import importlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import d2lcompute

PACKAGE = Path(d2lcompute.__file__).resolve().parent
MODULES = sorted(file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py"))
CORE = {"blocks", "checkpoints", "devices", "initializers", "layers", "parameters", "pretend", "timing"}
PARTS = {"_boxes": "figures", "_container": "checkpoints", "_outline": "figures", "_restoring": "checkpoints"}

# Component → the other components that it may import; "d2lcompute" is the package itself with all that it re-exports.
# A component is a module of that name, the modules in a folder of that name, and what PARTS counts among it.
COMPONENTS = {
    "blocks": set(),
    "checkpoints": {"devices"},
    "devices": set(),
    "initializers": set(),
    "layers": set(),
    "parameters": set(),
    "pretend": {"devices"},
    "timing": {"devices"},
    "d2lcompute": CORE,
    "exercises": CORE | {"d2lcompute"},
    "figures": CORE | {"d2lcompute"},
    "interop": CORE | {"d2lcompute"},
    "doctor": set(),
    "__main__": {"doctor"},
}
LIBRARIES = {  # component → the libraries that it may import beside the standard one; by default torch
    "d2lcompute": set(),
    "checkpoints": {"torch", "safetensors"},
    "exercises": {"torch", "platformdirs"},
    "figures": {"torch", "matplotlib", "numpy"},
    "interop": {"torch", "torchvision", "d2l"},
    "doctor": set(),
    "__main__": set(),
}
LATER = {  # component → what it may import inside a function, beside the above: the doctor has to start without it
    "doctor": {"d2lcompute", "devices", "torch", "jupyter_client"},
    "__main__": {"platformdirs"},
}


@dataclass(frozen=True)
class Import:
    """A module that a file imports, and whether it does so inside a function."""

    name: str
    line: int
    later: bool


def imports(source, path):
    """Read from the syntax tree what a file of the package imports, also through import_module("…").

    Args:
        source: the file's text.
        path: its path in the package, such as ``exercises/_check.py``.
    """
    package = [PACKAGE.name, *Path(path).parts[:-1]]
    tree = ast.parse(source)
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        found += [Import(name, node.lineno, id(node) in inside) for name in imported_names(node, package)]
    return found


def imported_names(node, package):
    """Return the full names of the modules that one node of a syntax tree imports."""
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            if base != PACKAGE.name:
                return [base]
            return [f"{base}.{alias.name}" if component(alias.name) in COMPONENTS else base for alias in node.names]
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return [name] if called in ("import_module", "__import__") else []
    return []


def component(module):
    """Return the component that a module of the package belongs to, from its name below the package."""
    top = module.split(".")[0]
    return PARTS.get(top, top)


def violations(source, path):
    """Return a sentence for each import in a file of the package that the lists above do not allow."""
    own = component(path.removesuffix(".py").replace("/", ".")) if path != "__init__.py" else "d2lcompute"
    if own not in COMPONENTS:
        return [f"{path}: {own} is no component of the design"]
    allowed = COMPONENTS[own] | LIBRARIES.get(own, {"torch"}) | {own}
    told = []
    for found in imports(source, path):
        top, _, rest = found.name.partition(".")
        target = component(rest) if top == PACKAGE.name and rest else top
        if top not in sys.stdlib_module_names and target not in allowed | (
            LATER.get(own, set()) if found.later else set()
        ):
            told.append(f"{path}:{found.line}: {own} may not import {target}")
    return told


def fresh(statement, *, first="import torch"):
    """Run a statement in a new Python and return the modules that it loaded and the global settings that it changed."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, first, statement], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return {name.split(".")[0] for name in report["modules"]} - sys.stdlib_module_names, report["changed"]


PROBE = """
import json, logging, os, random, sys, warnings
exec(sys.argv[1])
import torch

def settings():
    numpy, matplotlib = sys.modules.get("numpy"), sys.modules.get("matplotlib")
    return {
        "torch's random state": torch.get_rng_state().tolist(),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "grad mode": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "determinism": torch.are_deterministic_algorithms_enabled(),
        "matmul precision": torch.get_float32_matmul_precision(),
        "print options": repr(vars(torch._tensor_str.PRINT_OPTS)),
        "Python's random state": random.getstate(),
        "numpy's random state": numpy and repr(numpy.random.get_state()),
        "numpy's print options": numpy and repr(numpy.get_printoptions()),
        "rcParams": matplotlib and repr(dict(matplotlib.rcParams)),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, len(logging.root.handlers)),
        "hooks": (sys.excepthook, sys.displayhook, sys.getrecursionlimit()),
    }

before = settings()
loaded = set(sys.modules)
exec(sys.argv[2])
after = settings()
changed = [name for name in before if before[name] != after[name] and before[name] is not None]
print(json.dumps({"modules": sorted(set(sys.modules) - loaded), "changed": changed}))
"""


def declared(path):
    """Return the value of a file's ``__all__``, read from its syntax tree, or None if it has none.

    A file that holds no code but its docstring, as that of a folder of exercises, has nothing to declare: ``[]``.
    """
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node in body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return ast.literal_eval(node.value)
    return None if any(not isinstance(node, ast.Expr) for node in body) else []


def in_order(names):
    """Return names as ruff sorts them in ``__all__``: constants (MLP looks like one), classes, the rest."""
    return sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))


@pytest.mark.parametrize("path", MODULES)
def test_package_imports_only_what_the_design_allows(path):
    """Inside the package all edges lead towards devices; interop, figures and exercises stand on top."""
    source = (PACKAGE / path).read_text(encoding="utf-8")

    assert violations(source, path) == []


@pytest.mark.parametrize(
    ("path", "source", "sentence"),
    [
        ("devices.py", "from . import timing", "devices.py:1: devices may not import timing"),
        ("devices.py", "from .timing import Timer", "devices.py:1: devices may not import timing"),
        ("blocks.py", "import torch\nimport d2lcompute.layers", "blocks.py:2: blocks may not import layers"),
        ("layers.py", "from d2lcompute import MLP", "layers.py:1: layers may not import d2lcompute"),
        ("timing.py", "from d2lcompute import figures", "timing.py:1: timing may not import figures"),
        ("timing.py", "from d2lcompute import _outline", "timing.py:1: timing may not import figures"),
        ("parameters.py", "def f():\n    import matplotlib", "parameters.py:2: parameters may not import matplotlib"),
        ("blocks.py", "try:\n    import numpy\nexcept E:\n    pass", "blocks.py:2: blocks may not import numpy"),
        (
            "_container.py",
            "import importlib\nimportlib.import_module('d2lcompute.exercises')",
            "_container.py:2: checkpoints may not import exercises",
        ),
        ("figures.py", "from d2lcompute.exercises import check", "figures.py:1: figures may not import exercises"),
        ("exercises/_x.py", "from ..figures import draw_blocks", "exercises/_x.py:1: exercises may not import figures"),
        ("pretend/clock.py", "from .. import timing", "pretend/clock.py:1: pretend may not import timing"),
        ("__init__.py", "from .figures import draw_blocks", "__init__.py:1: d2lcompute may not import figures"),
        ("__init__.py", "import numpy", "__init__.py:1: d2lcompute may not import numpy"),
        ("doctor.py", "import torch", "doctor.py:1: doctor may not import torch"),
        ("doctor.py", "def f():\n    import pandas", "doctor.py:2: doctor may not import pandas"),
        ("__main__.py", "from d2lcompute import devices", "__main__.py:1: __main__ may not import devices"),
        ("utils.py", "", "utils.py: utils is no component of the design"),
    ],
)
def test_violations_sees_what_is_not_allowed(path, source, sentence):
    """Each way to import the wrong thing is noticed: absolute, relative, in a function, by import_module."""
    assert violations(source, path) == [sentence]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("timing.py", "import time\nfrom torch import nn\nfrom .devices import synchronize"),
        ("checkpoints.py", "from d2lcompute import devices\nfrom d2lcompute.checkpoints.files import write_archive"),
        ("pretend/clock.py", "from . import cards\nfrom ..devices import cpu"),
        ("exercises/blocks/x.py", "from d2lcompute import MLP\nfrom d2lcompute.exercises.checking.trial import Trial"),
        ("doctor.py", "def f():\n    return import_module('torch')"),
        ("__main__.py", "from d2lcompute import doctor"),
    ],
)
def test_violations_accepts_what_is_allowed(path, source):
    """The rule does not cry wolf."""
    assert violations(source, path) == []


@pytest.mark.parametrize("module", ["d2lcompute", "d2lcompute.exercises"])
def test_import_brings_torch_and_little_else(module):
    """Beside torch and what torch imports, only safetensors and platformdirs are loaded, and no setting is changed."""
    libraries, changed = fresh(f"import {module}")

    assert libraries <= {"d2lcompute", "torch", "safetensors", "platformdirs"}
    assert "d2lcompute" in libraries
    assert changed == []


def test_import_loads_torch():
    """`import d2lcompute` is enough to have torch loaded."""
    code = "import sys, d2lcompute; sys.exit('torch' not in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_import_of_figures_changes_no_setting():
    """Figures bring matplotlib, and leave its rcParams as they were."""
    libraries, changed = fresh("import d2lcompute.figures", first="import matplotlib.pyplot, numpy.random")

    assert "d2lcompute" in libraries
    assert changed == []


def test_fresh_sees_libraries_and_changed_settings():
    """The probe notices a library, and each setting that a careless import would change."""
    careless = """
import matplotlib, safetensors, numpy
torch.manual_seed(1); torch.set_default_dtype(torch.float64); torch.set_num_threads(torch.get_num_threads() + 1)
torch.set_default_device("meta"); torch.set_grad_enabled(False); torch.use_deterministic_algorithms(True)
torch.set_printoptions(precision=2); torch.set_float32_matmul_precision("high"); random.seed(1)
numpy.random.seed(1); numpy.set_printoptions(precision=2); matplotlib.rcParams["font.size"] = 1
os.environ["X"] = "1"; sys.path.append("x"); warnings.simplefilter("ignore"); logging.basicConfig(level=1)
sys.setrecursionlimit(4321)
"""
    libraries, changed = fresh(careless, first="import numpy, matplotlib")

    assert "safetensors" in libraries
    assert len(changed) == 17


@pytest.mark.parametrize("path", MODULES)
def test_module_declares_its_public_names(path):
    """Every module has an ``__all__``, in order, without repetition."""
    names = declared(PACKAGE / path)

    assert names is not None, f"{path} has no __all__"
    assert names == in_order(set(names))


def test_declared_sees_a_module_without_public_names(tmp_path):
    """A module without ``__all__`` is noticed, also where a function has a variable of that name."""
    (tmp_path / "bad.py").write_text("def f():\n    __all__ = ['f']\n", encoding="utf-8")

    assert declared(tmp_path / "bad.py") is None


def test_in_order_sorts_as_ruff_does():
    """The order is the one that ruff (RUF022) keeps: MLP first, since it looks like a constant."""
    assert in_order(["cpu", "MySequential", "CenteredLayer", "MLP"]) == ["MLP", "CenteredLayer", "MySequential", "cpu"]


def test_package_reexports_exactly_its_core():
    """The package's public names are those of its core modules, the same objects, and no others."""
    modules = [importlib.import_module(f"d2lcompute.{name}") for name in sorted(CORE)]
    origin = {name: module for module in modules for name in module.__all__}

    assert set(d2lcompute.__all__) == set(origin)
    assert sum(len(module.__all__) for module in modules) == len(origin), "a name is declared in two modules"
    assert all(getattr(d2lcompute, name) is getattr(module, name) for name, module in origin.items())
