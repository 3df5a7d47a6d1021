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
SHARED = {"_arguments", "_current_machine", "_translation"}  # what several components use

# Component → the other components that it may import; "d2lcompute" is the package itself with all that it re-exports.
# A component is a module of that name, or the modules in a folder of that name.
COMPONENTS = {
    "_arguments": {"_translation"},
    "_current_machine": set(),
    "_translation": set(),
    "_user_data": set(),
    "blocks": {"_arguments", "_translation"},
    "checkpoints": {"_arguments", "_translation", "devices"},
    "devices": SHARED,
    "initializers": {"_translation"},
    "launching": {"_translation", "devices"},
    "layers": {"_arguments", "_translation"},
    "parameters": {"_translation"},
    "pretend": SHARED,
    "timing": {"_current_machine", "_translation", "devices"},
    "d2lcompute": CORE,
    "exercises": CORE | {"d2lcompute", "_translation", "_user_data", "course"},
    "figures": CORE | {"_arguments", "_translation"},
    "interop": set(),
    "course": {"_translation", "_user_data"},
    "doctor": {"_translation", "_user_data"},
    "exporting": {"course", "exercises"},
    "grading": {"_translation", "_user_data", "exercises"},
    "__main__": {"_translation", "doctor"},
}
LIBRARIES = {  # component → the libraries that it may import beside the standard one; by default torch
    "d2lcompute": set(),
    "checkpoints": {"torch", "safetensors"},
    "exercises": {"torch", "wcwidth"},
    "_translation": set(),
    "_user_data": set(),
    "course": {"nbformat"},
    "exporting": {"nbformat"},
    "figures": {"torch", "matplotlib", "numpy"},
    "grading": {"torch", "distributed", "jinja2"},
    "pretend": {"torch", "torchgen"},  # the latter comes with torch
    "interop": {"torch", "torchvision", "d2l"},
    "doctor": set(),
    "__main__": set(),
}
LATER = {  # component → what it may import inside a function, beside the above: the doctor has to start without it
    "_translation": {"course"},
    "_user_data": {"platformdirs"},
    "__main__": {"course", "exporting", "grading"},
    "doctor": {"course", "d2lcompute", "devices", "torch", "jupyter_client"},
    "parameters": {"wcwidth"},
}
# Folder → its parts from the ground up: each imports those before it only. A part is a module or a folder.
LAYERS = {
    "doctor": ("installed", "checks", "jupyter"),
    "course": ("merging", "source", "copying", "starting"),
    "exporting": ("assignment", "nbgrader", "otter", "command"),
    "grading": (
        *("confinement", "program", "verdict", "submissions", "judging", "server", "pool", "cluster", "ledger"),
        *("points", "grades", "pages", "command"),
    ),
    "exercises": ("sandbox", "checking", "registry", "stubs", "authoring", "learner", "lessons"),
    "figures": ("style", "outline", "block_diagram", "graph_layout", "autograd_graph", "plots", "timeline"),
}
# What `import d2lcompute` loads of the package itself.
LOADED = {
    *(
        "d2lcompute",
        "_arguments",
        "_current_machine",
        "_translation",
        "blocks",
        "devices",
        "initializers",
        "layers",
        "parameters",
        "timing",
    ),
    *("checkpoints", *(f"checkpoints.{path.stem}" for path in (PACKAGE / "checkpoints").glob("[!_]*.py"))),
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
    return module.split(".")[0]


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
            return list(ast.literal_eval(node.value))
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
        ("parameters.py", "def f():\n    import matplotlib", "parameters.py:2: parameters may not import matplotlib"),
        ("blocks.py", "try:\n    import numpy\nexcept E:\n    pass", "blocks.py:2: blocks may not import numpy"),
        (
            "checkpoints/files.py",
            "import importlib\nimportlib.import_module('d2lcompute.exercises')",
            "checkpoints/files.py:2: checkpoints may not import exercises",
        ),
        (
            "figures/plots.py",
            "from d2lcompute.exercises import check",
            "figures/plots.py:1: figures may not import exercises",
        ),
        ("exercises/_x.py", "from ..figures import draw_blocks", "exercises/_x.py:1: exercises may not import figures"),
        ("pretend/clock.py", "from .. import timing", "pretend/clock.py:1: pretend may not import timing"),
        ("__init__.py", "from .figures import draw_blocks", "__init__.py:1: d2lcompute may not import figures"),
        ("__init__.py", "import numpy", "__init__.py:1: d2lcompute may not import numpy"),
        ("doctor/checks.py", "import torch", "doctor/checks.py:1: doctor may not import torch"),
        ("doctor/checks.py", "def f():\n    import pandas", "doctor/checks.py:2: doctor may not import pandas"),
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
        ("checkpoints/state.py", "from d2lcompute import devices\nfrom .files import write_archive"),
        ("pretend/clock.py", "from . import cards\nfrom .._current_machine import current_machine"),
        ("exercises/blocks/x.py", "from d2lcompute import MLP\nfrom d2lcompute.exercises.checking.trial import Trial"),
        ("doctor/checks.py", "def f():\n    return import_module('torch')"),
        ("__main__.py", "from d2lcompute import doctor"),
    ],
)
def test_violations_accepts_what_is_allowed(path, source):
    """The rule does not cry wolf."""
    assert violations(source, path) == []


def graph(sources):
    """Return which modules of the package each module imports, blocks for type checkers and functions included.

    Args:
        sources: path of a file in the package → its text.
    """
    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in sources}
    edges = {}
    for name, path in names.items():
        found = set()
        for node in ast.walk(ast.parse(sources[path])):
            if isinstance(node, ast.ImportFrom):
                package = [PACKAGE.name, *Path(path).parts[:-1]]
                start = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*start, *filter(None, [node.module])])
                found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
        own = {each.removeprefix(f"{PACKAGE.name}.") for each in found}
        edges[name] = own & names.keys() - {name}
    return edges


def circles(edges):
    """Return the modules from which a chain of imports leads back to themselves."""

    def reached(start):
        seen, waiting = set(), list(edges[start])
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += edges[name]
        return seen

    return sorted(name for name in edges if name in reached(name))


def test_package_has_no_import_circle():
    """No module leads back to itself, not even by an import for type checkers alone."""
    edges = graph({path: (PACKAGE / path).read_text(encoding="utf-8") for path in MODULES})

    assert circles(edges) == []
    assert sum(map(len, edges.values())) > 200


def test_circles_sees_one_behind_type_checking():
    """A circle that exists for type checkers only is a circle, and a chain that ends is none."""
    sources = {
        "a.py": "from .b import x",
        "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .c import y",
        "c.py": "def f():\n    from d2lcompute import a",
        "d.py": "from . import a",
    }

    assert circles(graph(sources)) == ["a", "b", "c"]


def too_high(folder, edges):
    """Return a sentence for each import in a folder that leads up its layers."""
    order = LAYERS[folder]
    found = []
    for name, targets in edges.items():
        for target in targets:
            parts = [each.split(".")[1:2] for each in (name, target) if each.startswith(f"{folder}.")]
            if len(parts) == 2 and order.index(parts[0][0]) < order.index(parts[1][0]):
                found.append(f"{name} may not import {target}")
    return found


@pytest.mark.parametrize("folder", LAYERS)
def test_folders_are_built_in_layers(folder):
    """Inside a folder imports lead down: a lesson imports what authors need, checking nothing of learners."""
    edges = graph({path: (PACKAGE / path).read_text(encoding="utf-8") for path in MODULES})

    assert too_high(folder, edges) == []


def test_too_high_sees_an_import_that_leads_up():
    """Checking that imports what learners call is noticed."""
    edges = {"exercises.checking.trial": {"exercises.learner.store", "exercises.sandbox.stop"}}

    assert too_high("exercises", edges) == ["exercises.checking.trial may not import exercises.learner.store"]


def test_lessons_import_authoring_alone():
    """The file of an exercise has one import of the framework, and at most another lesson's."""
    for path in MODULES:
        if path.startswith("exercises/lessons/"):
            names = [found.name for found in imports((PACKAGE / path).read_text(encoding="utf-8"), path)]
            inside = {name for name in names if name.startswith("d2lcompute.exercises")}
            assert all(
                name.startswith(("d2lcompute.exercises.authoring", "d2lcompute.exercises.lessons.")) for name in inside
            )


def test_import_loads_the_helpers_and_nothing_else():
    """`import d2lcompute` loads exactly these modules of its own: no figure, no exercise, no pretended machine."""
    code = "import sys, d2lcompute; print(*(name for name in sys.modules if name.startswith('d2lcompute')))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert {name.removeprefix("d2lcompute.") for name in done.stdout.split()} == LOADED


@pytest.mark.parametrize("module", ["d2lcompute", "d2lcompute.exercises"])
def test_import_brings_torch_and_little_else(module):
    """Beside torch and what it imports, little is loaded, and no setting is changed."""
    libraries, changed = fresh(f"import {module}")

    assert libraries <= {"d2lcompute", "torch", "safetensors", "platformdirs", "wcwidth"}
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
