"""The wheel: what it holds, and what it does in environments that hold nothing else."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_string
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import d2lcompute
from tests.packaging_support import PROJECT, ROOT, closure

NEEDED = ("torch", "safetensors", "platformdirs", "numpy", "wcwidth")


def problems_of_wheel(names, expected):
    """Return what is missing from a wheel's list of files and what does not belong there."""
    packed = {name for name in names if ".dist-info/" not in name}
    missing = [f"missing: {name}" for name in sorted(expected - packed)]
    return missing + [f"does not belong here: {name}" for name in sorted(packed - expected)]


def package_files():
    """Return the files of the package in the repository, and of the course in each language, as paths in a wheel."""
    own = [file for file in (ROOT / "d2lcompute").rglob("*.*") if file.is_file() and file.suffix != ".pyc"]
    course = [file for language in ("en", "zh") for file in (ROOT / "notebooks" / language).glob("*.*")]
    return {file.relative_to(ROOT).as_posix() for file in own} | {
        f"d2lcompute/{file.relative_to(ROOT).as_posix()}" for file in course
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel once, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


def pip(*arguments, python=sys.executable):
    """Run this environment's pip on an environment; it may not ask any index."""
    command = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", *arguments]
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(wheel):
    """The wheel holds every module, the exercises among them, the messages and both editions: no tests, no tools."""
    names = zipfile.ZipFile(wheel).namelist()

    assert problems_of_wheel(names, package_files()) == []
    assert {"d2lcompute/py.typed", "d2lcompute/exercises/__init__.py"} <= package_files()
    assert "d2lcompute/locale/zh/LC_MESSAGES/d2lcompute.mo" in package_files()
    assert all(f"d2lcompute/notebooks/{language}/README.md" in package_files() for language in ("en", "zh"))


def test_problems_of_wheel_sees_what_is_missing_and_what_is_too_much():
    """A wheel that lost a file, or took a test along, is noticed; its metadata is not counted."""
    names = ["d2lcompute/__init__.py", "tests/test_x.py", "d2lcompute-1.dist-info/METADATA"]

    assert problems_of_wheel(names, {"d2lcompute/__init__.py", "d2lcompute/py.typed"}) == [
        "missing: d2lcompute/py.typed",
        "does not belong here: tests/test_x.py",
    ]


@pytest.mark.slow
def test_wheel_states_its_licence_and_needs_torch_and_little_else(wheel):
    """The metadata holds the licence with its text, the oldest Python, and five dependencies."""
    archive = zipfile.ZipFile(wheel)
    (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    stated = message_from_string(archive.read(f"{folder}/METADATA").decode("utf-8"))

    needed = [Requirement(line) for line in stated.get_all("Requires-Dist")]
    assert sorted(line.name for line in needed if "extra" not in str(line.marker)) == sorted(NEEDED)
    assert (stated["License-Expression"], stated["License-File"]) == ("MIT", "LICENSE")
    assert archive.read(f"{folder}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert SpecifierSet(stated["Requires-Python"]) == SpecifierSet(PROJECT["requires-python"])
    assert set(stated.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


# ---- the wheel in an environment of its own


class Environment:
    """A new virtual environment that sees chosen packages of this one, and the wheel, installed by pip."""

    def __init__(self, folder, wheel, distributions):
        venv.create(folder, symlinks=os.name != "nt")
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.site = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
        for distribution in distributions:
            self.show(distribution)
        pip("install", wheel, python=self.python)  # with its dependencies, all of which must be there already

    def show(self, distribution):
        """Make an installed package visible in this environment: by links, or by copies where links are refused."""
        tops = {file.parts[0] for file in distribution.files if ".." not in file.parts}
        for top in tops - {"__pycache__"}:
            source, target = Path(distribution.locate_file(top)), self.site / top
            if not target.exists():
                link_or_copy(source, target)

    def run(self, *arguments, cwd):
        """Run this environment's Python, apart from the user's settings, and return what it printed as JSON."""
        without_numpy = "ignore:Failed to initialize NumPy:UserWarning"  # torch itself says so once, and works
        command = [self.python, "-I", "-W", "error", "-W", without_numpy, *arguments]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def link_or_copy(source, target):
    """Make ``target`` show ``source``; Windows refuses links to those who are no administrators."""
    try:
        os.symlink(source, target, target_is_directory=source.is_dir())
    except OSError:
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)


@pytest.fixture(scope="module")
def bare(wheel, tmp_path_factory):
    """Make an environment with the wheel, what it needs, and nothing else."""
    return Environment(tmp_path_factory.mktemp("bare"), wheel, closure(NEEDED).values())


@pytest.fixture(scope="module")
def with_kernel(wheel, tmp_path_factory):
    """Make an environment that can also write the course, run a notebook and draw."""
    distributions = closure([*NEEDED, "ipykernel", "matplotlib", "nbformat"]).values()
    return Environment(tmp_path_factory.mktemp("kernel"), wheel, distributions)


def contents(environment, cwd):
    """Return what an environment has installed, by canonical names, and what can be imported there by name."""
    code = """
import importlib.metadata, json, pkgutil, sys
own = {module.name for module in pkgutil.iter_modules()} - set(sys.stdlib_module_names)
print(json.dumps([[d.name for d in importlib.metadata.distributions()], sorted(own)]))
"""
    installed, importable = environment.run("-c", code, cwd=cwd)
    return set(map(canonicalize_name, installed)), set(importable)


@pytest.mark.slow
def test_bare_environment_holds_nothing_else(bare, tmp_path):
    """What the next tests find can only come from the wheel and from what it and its four dependencies need."""
    installed, importable = contents(bare, tmp_path)

    assert installed == {"d2lcompute", *closure(NEEDED)}
    assert {"torch", "safetensors", "platformdirs", "d2lcompute"} <= importable
    assert {"matplotlib", "IPython", "nbformat", "pytest", "pip", "yaml", "tests"}.isdisjoint(importable)


@pytest.mark.slow
def test_contents_sees_what_else_is_there(with_kernel, tmp_path):
    """In an environment with more in it, the same look finds more, and still not what is only here."""
    installed, importable = contents(with_kernel, tmp_path)

    assert {"matplotlib", "ipykernel"} <= installed & importable
    assert {"pytest", "nbclient"}.isdisjoint(importable)


def test_link_or_copy_copies_where_links_are_refused(tmp_path, monkeypatch):
    """Where the system refuses links, files and folders are copied."""

    def refuse(*args, **kwargs):
        raise OSError("a required privilege is not held")

    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("x = 1", encoding="utf-8")
    monkeypatch.setattr(os, "symlink", refuse)

    link_or_copy(tmp_path / "package", tmp_path / "copy")
    link_or_copy(tmp_path / "package" / "module.py", tmp_path / "module.py")

    assert (tmp_path / "copy" / "module.py").read_text(encoding="utf-8") == "x = 1"
    assert (tmp_path / "module.py").read_text(encoding="utf-8") == "x = 1"


@pytest.mark.slow
def test_every_public_name_imports_from_the_bare_wheel(bare, tmp_path):
    """Each public name comes from the installed wheel, exercises too; warnings would be errors."""
    code = """
import json, d2lcompute, d2lcompute.exercises
for name in d2lcompute.__all__:
    exec(f"from d2lcompute import {name}")
print(json.dumps([d2lcompute.__file__, [name for name in d2lcompute.__all__ if name in globals()]]))
"""
    file, names = bare.run("-c", code, cwd=tmp_path)

    assert Path(file).is_relative_to(bare.site)
    assert names == d2lcompute.__all__


@pytest.mark.slow
def test_figures_say_what_to_install_in_the_bare_environment(bare, tmp_path):
    """Without matplotlib the figures raise an ImportError that names the extra."""
    code = """
import json
try:
    import d2lcompute.figures
except ImportError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
    kind, message = bare.run("-c", code, cwd=tmp_path)

    assert kind == "ImportError"
    assert "matplotlib" in message
    assert 'pip install "d2lcompute[notebooks]"' in message


@pytest.mark.slow
def test_doctor_runs_in_the_bare_environment(bare, tmp_path):
    """The doctor finds the wheel and torch in order, and warns of each optional package."""
    findings = {finding["name"]: finding for finding in bare.run("-m", "d2lcompute", "--json", cwd=tmp_path)}

    assert findings["d2lcompute"]["status"] == "OK"
    assert findings["torch"]["status"] in ("OK", "WARN")
    assert {findings[name]["status"] for name in ("matplotlib", "Jupyter", "kernel", "torchao")} == {"WARN"}
    assert "FAIL" not in {finding["status"] for finding in findings.values()}


@pytest.fixture
def execute(with_kernel, tmp_path, monkeypatch):
    """Return what executes a notebook with the kernel of the environment that has the wheel."""
    kernel = tmp_path / "jupyter" / "kernels" / "wheel"
    kernel.mkdir(parents=True)
    command = [str(with_kernel.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "wheel", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    for name, folder in {"JUPYTER_PATH": "jupyter", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def run(notebook, folder):
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(
            notebook, kernel_name="wheel", timeout=120, resources=resources, shutdown_kernel="immediate"
        )
        client.execute()
        return notebook

    return run


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")  # zmq on Windows, which works all the same
def test_notebook_in_a_folder_elsewhere_imports_every_public_name(with_kernel, execute, tmp_path):
    """A learner's own notebook, far from the repository, has all helpers and the figures from the wheel."""
    cells = [
        "import json, sys, d2lcompute",
        "from d2lcompute import *\nfrom d2lcompute.exercises import check\nfrom d2lcompute.figures import draw_blocks",
        "print(json.dumps([sys.prefix, d2lcompute.__file__, [name in globals() for name in d2lcompute.__all__]]))",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    (output,) = execute(notebook, elsewhere).cells[-1].outputs

    prefix, file, imported = json.loads(output.text)
    assert Path(prefix).resolve() == with_kernel.folder.resolve()
    assert Path(file).is_relative_to(with_kernel.site)
    assert imported == [True] * len(d2lcompute.__all__)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Proactor event loop:RuntimeWarning")  # zmq on Windows, which works all the same
@pytest.mark.parametrize(
    ("language", "told", "answer"),
    [
        ("en", "{copy}: your copy of the course. Notebooks: 16. Begin with 00_start_here.\n", "not attempted yet"),
        ("zh", "{copy}：这是你自己的一份课程，共 16 个笔记本。从 00_start_here 开始。\n", "还没有作答"),
    ],
)
def test_course_starts_from_the_wheel(with_kernel, execute, tmp_path, monkeypatch, language, told, answer):
    """The command writes the course without the repository; a notebook of the copy runs, and speaks its language."""
    copy = tmp_path / "course"
    command = with_kernel.python.with_name("d2lcompute.exe" if os.name == "nt" else "d2lcompute")
    monkeypatch.delenv("D2LCOMPUTE_LANG")
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8")
    arguments = [command, "start", copy, "--no-lab", "--lang", language]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == told.format(copy=copy)

    notebook = execute(nbformat.read(copy / "02_parameters.ipynb", as_version=4), copy)

    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    answers = [cell.outputs[0] for cell in notebook.cells if "exercise-check" in cell.metadata.get("tags", [])]
    assert answers
    assert all(answer in said.data["text/plain"] for said in answers)


@pytest.mark.slow
def test_the_command_examines_the_bare_environment(bare, tmp_path):
    """Where JupyterLab is missing, start says what to install, and the doctor speaks."""
    command = bare.python.with_name("d2lcompute.exe" if os.name == "nt" else "d2lcompute")

    def run(*arguments):
        return subprocess.run([command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    start = run("start")
    assert (start.returncode, start.stdout) == (1, "")
    assert start.stderr.startswith("d2lcompute start: JupyterLab is not installed: ")
    assert [path.name for path in tmp_path.iterdir() if "learning" in path.name] == []
    assert json.loads(run("doctor", "--json").stdout) == json.loads(run("--json").stdout)
