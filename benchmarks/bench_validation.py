"""How long the validation of the course takes, over starting as many kernels that import torch."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nbformat

from benchmarks.comparing import compare
from benchmarks.conftest import Record
from tools.suite import pytest_command

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "notebooks" / "en"
WORKERS, ROUNDS = 2, 1


def validate(folder: Path) -> None:
    """Validate the notebooks of a folder as ``make test`` does."""
    options = ("-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml")
    command = pytest_command(*options, folder, jobs=WORKERS)
    # As make does, and without what a pytest that runs this one says to its own children.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


def bench_validation(benchmark: Any, record: Record, tmp_path: Path) -> None:
    """The whole course against notebooks that import torch and end."""
    shutil.copy(COURSE.parent / "conftest.py", tmp_path)
    notebooks = sorted(COURSE.glob("*.ipynb"))
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cell = nbformat.v4.new_code_cell("import torch", execution_count=1)
    for notebook in notebooks:
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), tmp_path / notebook.name)

    comparison = compare(
        benchmark, lambda: validate(COURSE), lambda: validate(tmp_path), rounds=ROUNDS, warmup_rounds=0
    )
    record("validation", comparison.ratio, f"{comparison}, {len(notebooks)} kernels, {WORKERS} at a time")
