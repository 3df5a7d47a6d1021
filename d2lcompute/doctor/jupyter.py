"""Jupyter: whether its command and its kernel are those of this Python."""

from __future__ import annotations

import re
import shutil
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

from .._translation import N_, tr
from .installed import Finding, check_optional

__all__ = ["check_jupyter", "check_kernel"]


def check_jupyter() -> Finding:
    """JupyterLab is there, and its command starts the one of this Python."""
    finding = check_optional("jupyterlab", "4.2", "notebooks", N_("opening notebooks"))
    command = shutil.which("jupyter-lab")
    if finding.status != "OK" or command is None:
        return finding
    schemes = (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
    homes = {Path(sysconfig.get_path("scripts", scheme)).resolve() for scheme in schemes}
    if homes.isdisjoint({Path(command).parent.resolve(), Path(command).resolve().parent}):
        found = tr(
            "{found}, but the command jupyter-lab belongs to another Python: {command}",
            found=finding.found,
            command=command,
        )
        return Finding("WARN", found, tr('start it with "{executable}" -m jupyterlab', executable=sys.executable))
    return finding


def check_kernel() -> Finding:
    """A notebook that asks for the kernel ``python3``, as the course's do, gets this very Python."""
    finding = check_optional("ipykernel", "6.29", "notebooks", N_("running notebooks"))
    if finding.status != "OK":
        return finding
    specs = import_module("jupyter_client.kernelspec").KernelSpecManager().get_all_specs()
    programs = {name: entry["spec"]["argv"][0] for name, entry in specs.items() if entry["spec"]["argv"]}
    ours = [name for name, program in programs.items() if _environment(program) == _environment(sys.executable)]
    if "python3" in ours:
        return Finding("OK", tr("ipykernel {found}; the kernel python3 runs this Python", found=finding.found))
    found = tr(
        "ipykernel {found}, but the kernel python3 runs another Python: {program}",
        found=finding.found,
        program=programs.get("python3", tr("none")),
    )
    kernel = (ours or ["d2lcompute"])[0]
    if ours:
        return Finding("WARN", found, tr("choose the kernel {kernel} in the notebook", kernel=kernel))
    remedy = tr(
        'run "{executable}" -m ipykernel install --user --name {kernel}, '
        "then choose the kernel {kernel} in the notebook",
        executable=sys.executable,
        kernel=kernel,
    )
    return Finding("WARN", found, remedy)


def _environment(program: str) -> Path:
    """Return what tells environments apart: the folder of a virtual one, else the interpreter itself."""
    if re.fullmatch(r"python(\d(\.\d+)?)?", program):
        program = sys.executable  # Jupyter starts such a kernel with its own Python: check_jupyter looks whose that is
    path = Path(shutil.which(program) or program).absolute()
    return next((folder for folder in path.parents[:2] if (folder / "pyvenv.cfg").is_file()), path).resolve()
