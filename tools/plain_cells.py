"""Run a notebook's code cells as a plain program: on machines that have torch, but no Jupyter.

``python -m tools.plain_cells NOTEBOOK`` runs the cells one after the other in one namespace, shows each last value as a
notebook would (what is shown is computed, though nobody reads it), and asks of a cell that is to raise that it does.
It prints ``{"cells": 60, "failed": [["cell-id", "ValueError: …"]]}``. ``tools.execute`` runs the real kernel.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["run_cells"]


def run_cells(path: Path) -> dict[str, Any]:
    """Run the code cells of a notebook, each whatever became of the others.

    Args:
        path: the notebook.

    Returns:
        The number of cells, and for each that failed its id and the last line of what it raised.
    """
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    failed = []
    for cell in cells:
        trouble = _trouble(cell["id"], "".join(cell["source"]), cell["metadata"].get("tags", []))
        if trouble:
            failed.append((cell["id"], trouble))
    return {"cells": len(cells), "failed": failed}


def _trouble(name: str, source: str, tags: list[str]) -> str:
    """Run one cell in the main module's namespace, and return what went wrong; nothing if all is well."""
    must_raise = "raises-exception" in tags
    filename = f"<cell {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = vars(sys.modules["__main__"])
    body = ast.parse(source, filename).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(ast.Module(body, []), filename, "exec"), namespace)  # noqa: S102  # the course's own cells
            if isinstance(last, ast.Expr):
                repr(eval(compile(ast.Expression(last.value), filename, "eval"), namespace))  # noqa: S307
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        return "" if must_raise else f"{type(error).__name__}: {error}".splitlines()[0]
    return "raised nothing, and was to raise" if must_raise else ""


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    sys.path.insert(0, os.getcwd())
    print(json.dumps(run_cells(Path(sys.argv[1]))))
