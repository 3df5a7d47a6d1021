"""Finding exercises by name: one exercise, one file, read only when it is asked for."""

import difflib
import importlib
import pkgutil
from functools import cache
from pathlib import Path

from .._translation import tr
from .checking.compare import shorten
from .checking.exercise import Exercise

__all__ = ["NOTEBOOKS", "find", "names"]

NOTEBOOKS = (
    "00_start_here",
    "01_blocks",
    "02_parameters",
    "03_initialization",
    "04_lazy_initialization",
    "05_custom_layers",
    "06_file_io",
    "07_gpu",
    "08_training",
    "09_dynamic_graphs",
    "10_visualization",
    "11_mixed_precision",
    "12_quantization",
    "13_distributed",
    "14_common_errors",
    "15_fact_check",
)
"""The notebooks that pose exercises; each has a sub-package named like it, without the number."""


@cache
def names() -> dict[str, tuple[str, ...]]:
    """Return the names of each notebook's exercises, read from the names of the files; nothing is imported."""
    found = {}
    for notebook in NOTEBOOKS:
        folder = Path(__file__).parent / "lessons" / _package(notebook)
        modules = (module.name for module in pkgutil.iter_modules([str(folder)]))
        found[notebook] = tuple(sorted(name for name in modules if not name.startswith("_")))
    return {notebook: exercises for notebook, exercises in found.items() if exercises}


def find(name: str) -> Exercise:
    """Return the exercise of this name; only its own file is imported.

    Raises:
        TypeError: if ``name`` is no string.
        ValueError: if there is no exercise of this name; the message suggests those with a similar one.
    """
    if not isinstance(name, str):
        raise TypeError(
            tr(
                'name must be the exercise\'s name in quotes, as in check("parallel_block", '
                "ParallelBlock); got an object of type {kind}",
                kind=type(name).__name__,
            )
        )
    for notebook, exercises in names().items():
        if name in exercises:
            module = importlib.import_module(f"{__package__}.lessons.{_package(notebook)}.{name}")
            return module.EXERCISE
    known = [each for exercises in names().values() for each in exercises]
    near = difflib.get_close_matches(name[:100].lower(), known, n=3, cutoff=0.6)
    advice = (
        tr("did you mean {names}?", names=" or ".join(map(repr, near)))
        if near
        else tr("the exercises are {names}", names=", ".join(known))
    )
    raise ValueError(
        tr("name must be that of an exercise; got {given}: {advice}", given=shorten(repr(name)), advice=advice)
    )


def _package(notebook: str) -> str:
    """Return a notebook's name without its number."""
    return notebook.partition("_")[2]
