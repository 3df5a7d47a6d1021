"""The doctor's checks, on this machine and on stand-ins for broken ones."""

import json
import re
import shutil
import sys
import tomllib
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from packaging.requirements import Requirement
from packaging.version import Version

from d2lcompute.doctor import CHECKS, installed, jupyter
from d2lcompute.doctor import checks as doctor

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SELECTOR = "with the selector on pytorch.org"
OPTIONAL = [
    (Requirement(line), extra) for extra in ("notebooks", "beyond") for line in PROJECT["optional-dependencies"][extra]
]

BOOK = {name.replace("-", "_"): "99.0" for name in doctor._BOOK} | {
    "d2l": "1.0.3",
    "torchvision": "0.28.0+cpu",
    "torch": "2.13.0+cpu",
    "numpy": "2.4.6",
    "d2lcompute": "0.1.0",
}


def fake_torch(version="2.13.0", *, cuda=None, hip=None, xpu=None, mps=False, usable=False, warning=None):
    """Stand in for a build of torch that this machine does not have."""

    def is_available():
        if warning:
            warnings.warn(warning, stacklevel=2)
        return usable

    return SimpleNamespace(
        __version__=version,
        version=SimpleNamespace(cuda=cuda, hip=hip, xpu=xpu),
        backends=SimpleNamespace(mps=SimpleNamespace(is_built=lambda: mps)),
        accelerator=SimpleNamespace(is_available=is_available),
        cuda=SimpleNamespace(get_device_name=lambda i: f"Card {i}"),
        mps=SimpleNamespace(),
    )


def with_torch(monkeypatch, torch_module, *, nvidia_driver=False):
    """Let the doctor find another torch, and no command but, where asked for, that of NVIDIA's driver."""
    monkeypatch.setitem(sys.modules, "torch", torch_module)
    monkeypatch.setattr(shutil, "which", lambda name: "nvidia-smi" if nvidia_driver else None)


def with_versions(monkeypatch, **versions):
    """Let the doctor find these packages installed and no others."""
    for module in (installed, doctor):
        monkeypatch.setattr(module, "version_of", lambda name: versions.get(name.replace("-", "_")))


def with_kernels(monkeypatch, **programs):
    """Let Jupyter find kernels: name → the program that each runs."""
    specs = {name: {"spec": {"argv": [str(program), "-m", "ipykernel_launcher"]}} for name, program in programs.items()}
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.get_all_specs", lambda self: specs)


def make_environment(folder):
    """Make what tells a virtual environment apart, and return the path of its Python."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    python.touch()
    return python


def just_below(version):
    """Return a version that is older than the given one by as little as two numbers can tell."""
    major, minor = Version(version).release[:2]
    return f"{major}.{minor - 1}.9" if minor else f"{major - 1}.99"


def lower_bound(requirement):
    """Return the oldest version that a requirement such as ``torch>=2.6`` admits."""
    (specifier,) = requirement.specifier
    assert specifier.operator == ">="
    return specifier.version if "." in specifier.version else f"{specifier.version}.0"


def test_check_python_accepts_the_python_that_runs_the_tests():
    """This Python is supported, and the finding says which one it is."""
    finding = doctor.check_python()

    assert finding.status == "OK"
    assert finding.found.endswith(f" at {sys.executable}")


def test_check_python_refuses_the_version_below_the_promised_one(monkeypatch):
    """The oldest Python is the one that pyproject.toml promises."""
    oldest = PROJECT["requires-python"].removeprefix(">=")

    monkeypatch.setattr(sys, "version", f"{oldest}.0 (main)")
    promised = doctor.check_python()
    monkeypatch.setattr(sys, "version", f"{just_below(oldest)} (main)")
    older = doctor.check_python()

    assert promised.status == "OK"
    assert (older.status, older.remedy) == ("FAIL", f"install Python {oldest} or newer")
    assert older.found == f"{just_below(oldest)} at {sys.executable}"


def test_check_torch_names_version_and_build():
    """The real torch is found, with its version and what it was built for."""
    finding = doctor.check_torch()

    assert finding.status in ("OK", "WARN")
    assert re.match(re.escape(torch.__version__) + r", (CPU|MPS|CUDA .+|ROCm .+|XPU .+) build", finding.found)


@pytest.mark.parametrize(
    ("kwargs", "build"),
    [
        ({}, "CPU"),
        ({"mps": True}, "MPS"),
        ({"cuda": "13.0", "usable": True}, "CUDA 13.0"),
        ({"hip": "7.1", "usable": True}, "ROCm 7.1"),
        ({"xpu": "2026", "usable": True}, "XPU 2026"),
    ],
)
def test_check_torch_accepts_a_build_that_suits_the_machine(monkeypatch, kwargs, build):
    """A CPU build without a GPU, and a GPU's build with one, are both as they should be."""
    with_torch(monkeypatch, fake_torch(**kwargs))

    assert doctor.check_torch() == installed.Finding("OK", f"2.13.0, {build} build")


def test_check_torch_warns_of_a_cuda_build_without_a_gpu(monkeypatch):
    """A CUDA build that finds no GPU gets a warning with torch's own reason and both ways out."""
    with_torch(monkeypatch, fake_torch(cuda="13.0", warning="Found no NVIDIA driver on your system"))

    finding = doctor.check_torch()

    assert finding.status == "WARN"
    assert finding.found == (
        "2.13.0, CUDA 13.0 build, but no GPU that it can use (Found no NVIDIA driver on your system); "
        "all runs on the CPU"
    )
    assert finding.remedy == f"with a GPU: update its driver; without: choose the CPU build {SELECTOR}"


def test_check_torch_warns_of_a_cpu_build_beside_a_driver(monkeypatch):
    """A CPU build on a machine with NVIDIA's driver leaves the GPU idle."""
    with_torch(monkeypatch, fake_torch(), nvidia_driver=True)

    finding = doctor.check_torch()

    assert (finding.status, finding.remedy) == ("WARN", f"to use the GPU, choose a CUDA build {SELECTOR}")


def test_check_torch_refuses_the_version_below_the_promised_one(monkeypatch):
    """The oldest torch is the one that pyproject.toml promises, and a local or development version is read right."""
    (requirement,) = (Requirement(line) for line in PROJECT["dependencies"] if line.startswith("torch"))
    oldest = lower_bound(requirement)

    with_torch(monkeypatch, fake_torch(f"{oldest}.0a0+git1234"))
    promised = doctor.check_torch()
    with_torch(monkeypatch, fake_torch(f"{just_below(oldest)}+cpu"))
    older = doctor.check_torch()

    assert promised.status == "OK"
    assert (older.status, older.remedy) == ("FAIL", f"{oldest} or newer is needed: upgrade it {SELECTOR}")


def test_check_torch_says_that_torch_is_missing(monkeypatch):
    """Without torch the finding says so, and where to choose it."""
    monkeypatch.setitem(sys.modules, "torch", None)  # what makes `import torch` raise ModuleNotFoundError

    assert doctor.check_torch() == installed.Finding("FAIL", "not installed", f"install it {SELECTOR}")


@pytest.mark.parametrize(
    "error", [OSError("[WinError 126] a library is missing"), ModuleNotFoundError("No module named 'x'", name="x")]
)
def test_check_torch_says_why_its_import_fails(monkeypatch, error):
    """A torch that is there but cannot be imported is told apart from one that is not there."""

    def fail(name):
        raise error

    monkeypatch.setattr(doctor, "import_module", fail)

    finding = doctor.check_torch()

    assert (finding.status, finding.remedy) == ("FAIL", f"uninstall it, then install it {SELECTOR}")
    assert finding.found == f"installed, but its import fails: {type(error).__name__}: {error}"


def test_check_torch_sees_a_file_that_hides_it(monkeypatch):
    """A file torch.py of the learner's own, found first, is named."""
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__file__="/home/ada/torch.py"))

    finding = doctor.check_torch()

    assert finding == installed.Finding("FAIL", "hidden by /home/ada/torch.py", "rename that file or folder")


def test_check_torch_sees_a_folder_that_hides_it(monkeypatch):
    """A folder torch, which Python takes for a package without a file, is named."""
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(__file__=None, __path__=["/home/ada/torch"]))

    assert doctor.check_torch().found == "hidden by /home/ada/torch"


def test_check_accelerators_counts_and_names_them(monkeypatch):
    """Each accelerator that the course will use is named."""
    with_torch(monkeypatch, fake_torch(cuda="13.0", usable=True))
    monkeypatch.setattr("d2lcompute.devices.num_gpus", lambda: 2)
    monkeypatch.setattr("d2lcompute.devices.gpu", lambda i=0: SimpleNamespace(type="cuda"))

    assert doctor.check_accelerators() == installed.Finding("OK", "2: Card 0, Card 1")


def test_check_accelerators_names_one_whose_backend_knows_no_names(monkeypatch):
    """Apple's backend tells no name: the device itself is shown."""
    with_torch(monkeypatch, fake_torch(mps=True, usable=True))
    monkeypatch.setattr("d2lcompute.devices.num_gpus", lambda: 1)
    monkeypatch.setattr("d2lcompute.devices.gpu", lambda i=0: torch.device("mps", i))

    assert doctor.check_accelerators() == installed.Finding("OK", "1: mps:0")


@pytest.mark.parametrize(
    ("usable", "found"), [(True, "hidden by D2LCOMPUTE_DEVICE=cpu"), (False, "none; the CPU does all the work")]
)
def test_check_accelerators_tells_hidden_from_absent(monkeypatch, usable, found):
    """No accelerator is fine, and one that the environment hides is not called absent."""
    with_torch(monkeypatch, fake_torch(cuda="13.0", usable=usable))
    monkeypatch.setattr("d2lcompute.devices.num_gpus", lambda: 0)

    assert doctor.check_accelerators() == installed.Finding("OK", found)


def test_check_accelerators_refuses_an_unknown_choice(monkeypatch):
    """A value of D2LCOMPUTE_DEVICE that is not understood is shown, with those that are."""
    monkeypatch.setenv("D2LCOMPUTE_DEVICE", "gpu0")

    finding = doctor.check_accelerators()

    assert (finding.status, finding.remedy) == ("FAIL", "unset D2LCOMPUTE_DEVICE, or set it to cpu or auto")
    assert "got 'gpu0'" in finding.found


def test_check_package_says_version_and_folder(monkeypatch):
    """The installed package is found with its version and the folder that it is imported from."""
    with_versions(monkeypatch, d2lcompute="1.2.3")

    finding = doctor.check_package()

    assert finding == installed.Finding("OK", f"1.2.3 in {Path(doctor.__file__).resolve().parents[1]}")


def test_check_package_warns_where_it_is_not_installed(monkeypatch):
    """A package that works only in its own folder comes with the command that installs it from there."""
    with_versions(monkeypatch)

    finding = doctor.check_package()

    assert finding.status == "WARN"
    assert finding.found.endswith("but not installed: notebooks in other folders cannot import it")
    assert finding.remedy == f'"{sys.executable}" -m pip install -e "{Path(doctor.__file__).resolve().parents[2]}"'


def test_check_package_says_why_its_import_fails(monkeypatch):
    """What the package held back, so that the doctor could start, is told by its cause."""

    def fail(package):
        raise ImportError("d2lcompute cannot be imported") from OSError("no library")

    monkeypatch.setattr("d2lcompute.__all__", ["absent"])
    monkeypatch.setattr(doctor, "reload", fail)

    finding = doctor.check_package()

    assert (finding.status, finding.found) == ("FAIL", "its import fails: OSError: no library")
    assert finding.remedy.startswith("mend what says FAIL in the other lines, then: ")


def test_check_package_imports_again_only_what_holds_something_back(monkeypatch):
    """A package that is whole stays as it is; one that lacks a name is imported again, which raises what is wrong."""
    with_versions(monkeypatch, d2lcompute="1.2.3")
    again = []
    monkeypatch.setattr(doctor, "reload", again.append)
    package = doctor.import_module("d2lcompute")

    doctor.check_package()
    whole = list(again)
    monkeypatch.setattr("d2lcompute.__all__", ["cpu", "absent"])
    doctor.check_package()

    assert (whole, again) == ([], [package])


@pytest.mark.parametrize(("requirement", "extra"), OPTIONAL, ids=[requirement.name for requirement, _ in OPTIONAL])
def test_checks_know_the_versions_and_extras_of_the_project_file(monkeypatch, requirement, extra):
    """Each optional requirement has a check with the same lower bound, and a remedy that names its extra."""
    name, oldest = requirement.name, lower_bound(requirement)
    check = CHECKS[{"jupyterlab": "Jupyter", "ipykernel": "kernel"}.get(name, name)]
    with_kernels(monkeypatch, python3=sys.executable)
    monkeypatch.setattr(shutil, "which", lambda command: None)

    def finding(version):
        for module in (installed, doctor):
            monkeypatch.setattr(module, "version_of", {name: version, "d2lcompute": "0.1.0"}.get)
        return check()

    assert finding(oldest).status == "OK"
    assert (finding(just_below(oldest)).status, finding(None).status) == ("WARN", "WARN")
    assert finding(just_below(oldest)).remedy == f'"{sys.executable}" -m pip install "{name}>={oldest}"'
    assert finding(None).remedy == f'"{sys.executable}" -m pip install "d2lcompute[{extra}]"'


def test_check_optional_installs_extras_from_the_folder_of_a_package_that_is_not_installed(monkeypatch):
    """Where d2lcompute is only a folder, the remedy names the folder: a registry may know another d2lcompute."""
    with_versions(monkeypatch)

    finding = installed.check_optional("torchinfo", "1.8", "beyond", "notebook 10")

    folder = Path(doctor.__file__).resolve().parents[2]
    assert finding.found == "not installed; it is for notebook 10"
    assert finding.remedy == f'"{sys.executable}" -m pip install -e "{folder}[beyond]"'


def test_version_reads_what_is_installed_and_nothing_else():
    """Versions come from the installed metadata, whatever the spelling; a package that is not there has none."""
    assert installed.version_of("torch") == installed.version_of("Torch") is not None
    assert installed.version_of("no-such-package") is None


def test_check_jupyter_accepts_the_command_of_this_environment(monkeypatch):
    """The command beside this Python, or none at all, is no reason to warn."""
    with_versions(monkeypatch, jupyterlab="4.6.6")
    scripts = Path(jupyter.sysconfig.get_path("scripts"))

    monkeypatch.setattr(shutil, "which", lambda name: str(scripts / name))
    beside = jupyter.check_jupyter()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    none = jupyter.check_jupyter()

    assert beside == none == installed.Finding("OK", "4.6.6")


def test_check_jupyter_accepts_the_command_of_the_users_own_folder(monkeypatch):
    """What pip installs for one user lies in another folder, and belongs to this Python all the same."""
    with_versions(monkeypatch, jupyterlab="4.6.6")
    scripts = Path(jupyter.sysconfig.get_path("scripts", jupyter.sysconfig.get_preferred_scheme("user")))
    monkeypatch.setattr(shutil, "which", lambda name: str(scripts / name))

    assert jupyter.check_jupyter() == installed.Finding("OK", "4.6.6")


@pytest.mark.parametrize(
    ("check", "purpose"), [(jupyter.check_jupyter, "opening notebooks"), (jupyter.check_kernel, "running notebooks")]
)
def test_checks_of_jupyter_say_what_is_missing_and_what_for(monkeypatch, check, purpose):
    """Without JupyterLab or ipykernel the finding says what cannot be done."""
    with_versions(monkeypatch)

    finding = check()

    assert (finding.status, finding.found) == ("WARN", f"not installed; it is for {purpose}")


def test_check_jupyter_warns_of_the_command_of_another_python(monkeypatch, tmp_path):
    """If the shell's jupyter-lab belongs to another Python, the remedy starts the right one."""
    with_versions(monkeypatch, jupyterlab="4.6.6")
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / name))

    finding = jupyter.check_jupyter()

    assert (finding.status, finding.remedy) == ("WARN", f'start it with "{sys.executable}" -m jupyterlab')
    assert finding.found == f"4.6.6, but the command jupyter-lab belongs to another Python: {tmp_path / 'jupyter-lab'}"


@pytest.mark.parametrize("program", ["python", "python3", sys.executable])
def test_check_kernel_accepts_the_kernel_that_runs_this_python(monkeypatch, program):
    """A kernel that names no folder, or this Python's own, runs this Python."""
    with_versions(monkeypatch, ipykernel="7.4.0")
    with_kernels(monkeypatch, python3=program)

    finding = jupyter.check_kernel()

    assert finding == installed.Finding("OK", "ipykernel 7.4.0; the kernel python3 runs this Python")


def test_check_kernel_warns_of_the_kernel_of_another_environment(monkeypatch, tmp_path):
    """A kernel that runs another environment's Python comes with the command that makes one for this Python."""
    other = make_environment(tmp_path / "other")
    with_versions(monkeypatch, ipykernel="7.4.0")
    with_kernels(monkeypatch, python3=other)

    finding = jupyter.check_kernel()

    assert finding.status == "WARN"
    assert finding.found == f"ipykernel 7.4.0, but the kernel python3 runs another Python: {other}"
    assert finding.remedy == (
        f'run "{sys.executable}" -m ipykernel install --user --name d2lcompute, '
        "then choose the kernel d2lcompute in the notebook"
    )


def test_check_kernel_points_to_a_kernel_of_another_name(monkeypatch, tmp_path):
    """If another kernel runs this Python, the remedy is to choose it."""
    with_versions(monkeypatch, ipykernel="7.4.0")
    with_kernels(monkeypatch, python3=make_environment(tmp_path / "other"), mine=sys.executable)

    finding = jupyter.check_kernel()

    assert (finding.status, finding.remedy) == ("WARN", "choose the kernel mine in the notebook")


def test_check_kernel_warns_where_no_kernel_has_the_courses_name(monkeypatch):
    """Without a kernel called python3 the finding says that there is none."""
    with_versions(monkeypatch, ipykernel="7.4.0")
    with_kernels(monkeypatch, mine=sys.executable)

    finding = jupyter.check_kernel()

    assert finding.found == "ipykernel 7.4.0, but the kernel python3 runs another Python: none"
    assert finding.remedy == "choose the kernel mine in the notebook"


def test_check_kernel_reads_what_jupyter_reads(monkeypatch, tmp_path):
    """The kernels come from Jupyter's own search path, in its order."""
    other = make_environment(tmp_path / "other")
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    text = json.dumps({"argv": [str(other)], "display_name": "Python 3", "language": "python"})
    (folder / "kernel.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))

    finding = jupyter.check_kernel()

    assert finding.status == "WARN"
    assert str(other) in finding.found


def test_environment_tells_two_environments_of_one_interpreter_apart(tmp_path):
    """Virtual environments share their interpreter; the folder makes the difference, its Python's name does not."""
    first, second = (make_environment(tmp_path / name) for name in ("first", "second"))
    alias = first.with_name("python3.99")
    alias.touch()

    assert jupyter._environment(str(first)) == jupyter._environment(str(alias)) == (tmp_path / "first").resolve()
    assert jupyter._environment(str(first)) != jupyter._environment(str(second))


def test_environment_of_a_python_deep_below_a_virtual_one_is_its_own(tmp_path):
    """A Python lies in the environment's folder or one below it; what lies deeper belongs to something else."""
    environment = make_environment(tmp_path / "outer").parents[1]
    deeper = environment / "tools" / "bin" / "python"
    deeper.parent.mkdir(parents=True)
    deeper.touch()

    assert jupyter._environment(str(deeper)) == deeper.resolve()


def test_check_book_is_content_without_the_books_package(monkeypatch):
    """Nobody needs d2l, what it imports, or torchvision for this course."""
    with_versions(monkeypatch, torch="2.13.0+cpu", numpy="2.4.6")

    finding = doctor.check_book()

    assert finding == installed.Finding("OK", "d2l none, torchvision none, numpy 2.4.6")


def test_check_book_is_content_with_versions_that_fit(monkeypatch):
    """The book's package beside current libraries and the torchvision of this torch is fine."""
    with_versions(monkeypatch, **BOOK)
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy", "torch==2.13.0", "pillow"])

    assert doctor.check_book() == installed.Finding("OK", "d2l 1.0.3, torchvision 0.28.0+cpu, numpy 2.4.6")


def test_check_book_says_how_d2l_loads_without_torchvision(monkeypatch):
    """Without torchvision d2l is no problem any more: the finding names what loads it."""
    with_versions(monkeypatch, **BOOK | {"torchvision": None})

    assert doctor.check_book() == installed.Finding(
        "OK",
        "d2l 1.0.3, torchvision none, numpy 2.4.6; load_d2l() of d2lcompute.interop loads it; only its pictures need "
        "torchvision",
    )


@pytest.mark.parametrize(
    ("versions", "lacking"),
    [
        ({"numpy": "1.23.5"}, "numpy"),
        ({"numpy": None}, "numpy"),
        ({"pandas": "2.0.3", "matplotlib_inline": None, "scipy": "1.10.1"}, "matplotlib-inline, pandas, scipy"),
    ],
    ids=["old numpy", "no numpy", "the pins and a gap"],
)
@pytest.mark.parametrize("vision", ["0.28.0", None])
def test_check_book_warns_of_what_d2l_lacks(monkeypatch, versions, lacking, vision):
    """What d2l imports and is missing, or as old as its pins, is named, with the extra that brings it."""
    with_versions(monkeypatch, **BOOK | versions | {"torchvision": vision})
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy", "torch==2.13.0", "pillow"])

    finding = doctor.check_book()

    assert finding.status == "WARN"
    assert finding.found == (
        f"d2l 1.0.3, torchvision {vision or 'none'}, numpy {versions.get('numpy', '2.4.6') or 'none'}: "
        f"d2l lacks a current {lacking}"
    )
    assert finding.remedy == f'"{sys.executable}" -m pip install "d2lcompute[book]"'


@pytest.mark.parametrize("d2l", ["1.0.3", None])
def test_check_book_warns_of_a_torchvision_for_another_torch(monkeypatch, d2l):
    """A torchvision that was made for another torch cannot work, with d2l or without."""
    with_versions(monkeypatch, **BOOK | {"d2l": d2l, "torch": "2.14.1"})
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy", "torch==2.13.0", "pillow"])

    assert doctor.check_book() == installed.Finding(
        "WARN",
        f"d2l {d2l or 'none'}, torchvision 0.28.0+cpu, numpy 2.4.6: this torchvision was made for torch 2.13.0, "
        "not for 2.14.1",
        f"choose torch and torchvision together {SELECTOR}",
    )


def test_check_book_knows_the_versions_of_the_project_file():
    """What d2l lacks is judged by the lower bounds of the extra `book`, and of numpy."""
    lines = [*PROJECT["optional-dependencies"]["book"], next(x for x in PROJECT["dependencies"] if "numpy" in x)]
    bounds = {Requirement(line).name: Version(lower_bound(Requirement(line))).release[:2] for line in lines}

    assert {name: Version(oldest).release for name, oldest in doctor._BOOK.items()} == bounds


def test_check_folder_leaves_nothing_behind(tmp_path):
    """A folder that can be written is fine, also one that does not exist yet, and is left as it was."""
    missing = tmp_path / "not" / "yet"

    findings = [doctor.check_folder(lambda folder=folder: folder, "FAIL", "-") for folder in (tmp_path, missing)]

    assert findings == [installed.Finding("OK", str(tmp_path)), installed.Finding("OK", str(missing))]
    assert list(tmp_path.iterdir()) == []


def test_check_folder_reports_one_that_cannot_be_made(tmp_path):
    """A folder below a file cannot be written; the finding has the status and the remedy that the caller chose."""
    file = tmp_path / "file"
    file.touch()

    finding = doctor.check_folder(lambda: file / "below", "WARN", "choose another")

    assert (finding.status, finding.remedy) == ("WARN", "choose another")
    assert finding.found.startswith("cannot be written: ")


def test_check_folder_reports_one_whose_place_is_unknown():
    """A system that cannot even name the folder, as without a home, gets the same answer."""

    def place():
        raise RuntimeError("no home folder")

    finding = doctor.check_folder(place, "FAIL", "set HOME")

    assert finding == installed.Finding("FAIL", "cannot be written: no home folder", "set HOME")
