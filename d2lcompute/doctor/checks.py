"""Checks: each looks at one thing, and says what it found and how to mend it."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib import import_module, metadata, reload
from pathlib import Path
from typing import Any

from .._translation import N_, tr
from .installed import FOLDER, Finding, at_least, pip_line, version_of

__all__ = [
    "check_accelerators",
    "check_book",
    "check_copy",
    "check_folder",
    "check_package",
    "check_python",
    "check_torch",
]

_SELECTOR = N_("with the selector on pytorch.org")
_BOOK = {"numpy": "2.0", "ipython": "8.20", "matplotlib": "3.9", "matplotlib-inline": "0.1", "pandas": "2.2"}
_BOOK |= {"pillow": "10.2", "requests": "2.31", "scipy": "1.13"}  # what d2l imports, as in the extra `book`


def check_python() -> Finding:
    """Python is new enough."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    return (
        Finding("OK", found) if at_least(found, "3.11") else Finding("FAIL", found, tr("install Python 3.11 or newer"))
    )


def check_torch() -> Finding:
    """PyTorch imports, is new enough, and its build suits the machine."""
    try:
        torch = import_module("torch")
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        found = (
            tr("not installed")
            if missing
            else tr("installed, but its import fails: {error}: {words}", error=type(error).__name__, words=error)
        )
        remedy = tr("install it") if missing else tr("uninstall it, then install it")
        return Finding("FAIL", found, f"{remedy} {tr(_SELECTOR)}")
    if not hasattr(torch, "__version__"):
        return Finding(
            "FAIL",
            tr("hidden by {path}", path=torch.__file__ or next(iter(torch.__path__))),
            tr("rename that file or folder"),
        )
    found, build = f"{torch.__version__}, {_build(torch)} build", _build(torch)
    if not at_least(torch.__version__, "2.10"):
        return Finding("FAIL", found, tr("2.10 or newer is needed: upgrade it {selector}", selector=tr(_SELECTOR)))
    usable, why = _usable(torch)
    if build == "CPU" and not usable and shutil.which("nvidia-smi"):
        return Finding(
            "WARN",
            tr("{found} beside NVIDIA's driver", found=found),
            tr("to use the GPU, choose a CUDA build {selector}", selector=tr(_SELECTOR)),
        )
    if build not in ("CPU", "MPS") and not usable:
        remedy = tr("with a GPU: update its driver; without: choose the CPU build {selector}", selector=tr(_SELECTOR))
        return Finding(
            "WARN", tr("{found}, but no GPU that it can use{why}; all runs on the CPU", found=found, why=why), remedy
        )
    return Finding("OK", found)


def check_accelerators() -> Finding:
    """The accelerators that the course uses, and whether ``D2LCOMPUTE_DEVICE`` hides them."""
    torch, devices = import_module("torch"), import_module("d2lcompute.devices")
    try:
        count = devices.num_gpus()
    except ValueError as error:
        return Finding("FAIL", str(error), tr("unset D2LCOMPUTE_DEVICE, or set it to cpu or auto"))
    if not count:
        hidden = _usable(torch)[0]
        return Finding("OK", tr("hidden by D2LCOMPUTE_DEVICE=cpu") if hidden else tr("none; the CPU does all the work"))
    name = getattr(getattr(torch, devices.gpu().type), "get_device_name", lambda i: str(devices.gpu(i)))
    return Finding("OK", f"{count}: {', '.join(name(i) for i in range(count))}")


def check_package() -> Finding:
    """The helper package imports whole, and notebooks in any folder find it."""
    package = import_module("d2lcompute")
    try:
        if not all(hasattr(package, name) for name in package.__all__):
            reload(package)  # raises what the package held back, so that the doctor could start
    except Exception as error:
        cause = error.__cause__ or error
        remedy = tr("mend what says FAIL in the other lines, then: {pip}", pip=pip_line("d2lcompute"))
        return Finding(
            "FAIL", tr("its import fails: {error}: {words}", error=type(cause).__name__, words=cause), remedy
        )
    if (version := version_of("d2lcompute")) is None:
        found = tr("used from {folder}, but not installed: notebooks in other folders cannot import it", folder=FOLDER)
        return Finding("WARN", found, pip_line("d2lcompute"))
    return Finding("OK", f"{version} in {FOLDER}")


def check_book() -> Finding:
    """The book's package, where it is there, stands beside current libraries, and a torchvision that fits or none."""
    d2l, vision, numpy, torch = (version_of(name) for name in ("d2l", "torchvision", "numpy", "torch"))
    found = f"d2l {d2l or 'none'}, torchvision {vision or 'none'}, numpy {numpy or 'none'}"
    wanted = re.search(r"torch ?\(?==([\d.]+)", " ".join(metadata.requires("torchvision") or ()) if vision else "")
    if wanted and (torch or "").split("+")[0] != wanted[1]:
        remedy = tr("choose torch and torchvision together {selector}", selector=tr(_SELECTOR))
        return Finding(
            "WARN",
            tr(
                "{found}: this torchvision was made for torch {version}, not for {torch}",
                found=found,
                version=wanted[1],
                torch=torch,
            ),
            remedy,
        )
    if lacking := [name for name, oldest in _BOOK.items() if d2l and not at_least(version_of(name) or "0.0", oldest)]:
        return Finding(
            "WARN",
            tr("{found}: d2l lacks a current {lacking}", found=found, lacking=", ".join(lacking)),
            pip_line("d2lcompute[book]"),
        )
    loader = tr("load_d2l() of d2lcompute.interop loads it; only its pictures need torchvision")
    return Finding("OK", f"{found}; {loader}" if d2l and not vision else found)


def check_copy(place: Callable[[], Path]) -> Finding:
    """The learner's copy of the course, where the last one was started, and whether the course is newer."""
    source = import_module("d2lcompute.course.source")
    if (folder := source.last_started(place())) is None:
        return Finding("OK", tr("none yet"), tr("d2lcompute start makes one, and opens it"))
    if not folder.is_dir():
        return Finding(
            "WARN",
            tr("was {folder}, which is not there", folder=folder),
            tr('d2lcompute start "{folder}" makes a new one', folder=folder),
        )
    try:
        behind = source.outdated(folder)
    except source.CourseError as error:
        return Finding(
            "WARN", tr("{folder}, but {error}", folder=folder, error=error), tr("install the course with its notebooks")
        )
    if behind:
        some = ", ".join(behind[:3]) + (tr(" and {count} more", count=len(behind) - 3) if len(behind) > 3 else "")
        found = tr("{folder}; the course has something new in {some}", folder=folder, some=some)
        return Finding(
            "WARN", found, tr('d2lcompute start "{folder}" brings it in, and keeps what is yours', folder=folder)
        )
    return Finding("OK", tr("{folder}, up to date", folder=folder))


def check_folder(place: Callable[[], str | Path], status: str, remedy: str) -> Finding:
    """A folder can be written, or made where it is not there yet; else the finding has the given status."""
    try:
        folder = Path(place()).absolute()
        with tempfile.TemporaryFile(dir=next(parent for parent in (folder, *folder.parents) if parent.exists())):
            return Finding("OK", str(folder))
    except Exception as error:
        return Finding(status, tr("cannot be written: {error}", error=error), tr(remedy))


def _build(torch: Any) -> str:
    for label, name in (("CUDA", "cuda"), ("ROCm", "hip"), ("XPU", "xpu")):
        if version := getattr(torch.version, name, None):
            return f"{label} {version}"
    return "MPS" if torch.backends.mps.is_built() else "CPU"


def _usable(torch: Any) -> tuple[bool, str]:
    with warnings.catch_warnings(record=True) as caught:  # torch warns why a GPU that it was built for does not work
        warnings.simplefilter("always")
        return torch.accelerator.is_available(), "".join(f" ({warning.message})" for warning in caught[:1])
