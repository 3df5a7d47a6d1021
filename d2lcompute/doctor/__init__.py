"""Doctor: what this machine has and lacks. Imports the standard library alone, to speak where torch cannot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial

from .._translation import N_, tr
from .._user_data import user_folder
from .checks import (
    check_accelerators,
    check_book,
    check_copy,
    check_folder,
    check_package,
    check_python,
    check_torch,
)
from .installed import Finding, check_optional
from .jupyter import check_jupyter, check_kernel

__all__ = ["CHECKS", "Finding", "diagnose"]


CHECKS: Mapping[str, Callable[[], Finding]] = {
    "Python": check_python,
    "torch": check_torch,
    N_("accelerators"): check_accelerators,
    "d2lcompute": check_package,
    "numpy": partial(check_optional, "numpy", "2.0", "", N_("torch, which warns without it, and arrays")),
    "Jupyter": check_jupyter,
    N_("kernel"): check_kernel,
    "matplotlib": partial(check_optional, "matplotlib", "3.9", "notebooks", N_("the figures")),
    "scikit-learn": partial(check_optional, "scikit-learn", "1.5", "beyond", N_("the digits of notebook 08")),
    "tensorboard": partial(check_optional, "tensorboard", "2.18", "beyond", N_("notebook 10")),
    "torchinfo": partial(check_optional, "torchinfo", "1.8", "beyond", N_("notebook 10")),
    "torchao": partial(check_optional, "torchao", "0.18", "beyond", N_("notebook 12")),
    N_("the book's package"): check_book,
    N_("temporary folder"): partial(
        check_folder, tempfile.gettempdir, "FAIL", N_("set TMPDIR (on Windows TEMP) to a folder of your own")
    ),
    N_("data folder"): partial(
        check_folder, user_folder, "WARN", N_("progress is not kept until this folder, in your home, is yours")
    ),
    N_("your copy"): partial(check_copy, user_folder),
    N_("current folder"): partial(
        check_folder, os.getcwd, "WARN", N_("change to a folder of your own before you start Jupyter")
    ),
}


def diagnose() -> dict[str, Finding]:
    """Run every check and return its finding by the check's name.

    A check that raises is a finding too: FAIL, with what it raised.

    Returns:
        name of the check → what it found, in the order of :data:`CHECKS`.
    """
    return {name: _examine(check) for name, check in CHECKS.items()}


def _examine(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:
        found = tr("this check could not be made: {error}: {words}", error=type(error).__name__, words=error)
        return Finding("FAIL", found, tr("mend what says FAIL in the other lines, then run the doctor again"))
