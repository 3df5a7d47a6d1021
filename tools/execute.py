"""Execute notebooks headless, several at a time, and report a line each; with --store, keep the outputs.

``python -m tools.execute`` (``make run``) executes copies in memory and leaves the files alone; with ``--language zh``,
those of the Chinese edition.
``python -m tools.execute --store`` (``make notebooks``) writes the outputs into the files, on the CPU, in a form that
does not change from one run to the next.
"""

import argparse
import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
ORIGINAL = "en"
"""The language of the edition whose outputs are stored."""

COURSE = NOTEBOOKS / ORIGINAL
CELL_TIMEOUT_SECONDS = 120
_KEPT = ("mystnb", "tags")  # of a cell's metadata: the first holds what a figure shows, where the site looks for it
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Outcome:
    """What came of one notebook: its executed form, how many code cells ran, and the error if one stopped it."""

    path: Path
    notebook: nbformat.NotebookNode
    cells: int
    seconds: float
    error: str | None


def execute(path: Path, *, folder: Path | None = None) -> Outcome:
    """Execute one notebook in a fresh kernel of this Python, and return what came of it.

    Args:
        path: the notebook; it is read, never written.
        folder: the working directory of the kernel; by default that of the notebook, as in JupyterLab.
    """
    notebook = nbformat.read(path, as_version=4)
    started = time.perf_counter()
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_SECONDS,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # each kernel would warn of TCP, which is on loopback here
        shutdown_kernel="immediate",  # nothing is to be saved, and a polite goodbye takes a second
        resources={"metadata": {"path": str(folder or path.parent)}},
    )
    error = None
    try:
        asyncio.run(client.async_execute())
    except CellExecutionError as failure:
        error = _ANSI.sub("", str(failure)).strip()
    except Exception as failure:  # a kernel that died or a cell that never ended: this notebook failed, others go on
        error = f"{type(failure).__name__}: {failure}"
    cells = sum(cell.cell_type == "code" and cell.execution_count is not None for cell in notebook.cells)
    return Outcome(path, notebook, cells, time.perf_counter() - started, error)


def normalize(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Reduce a notebook to what belongs in the repository: cells, ids, tags, outputs, words for figures, the kernel."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in _KEPT if cell.metadata.get(key)})
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
        for output in cell.get("outputs", []):
            if output.output_type in ("display_data", "execute_result"):
                output.metadata = nbformat.from_dict({})
            if output.output_type == "error":
                output.traceback = [_ANSI.sub("", output.traceback[-1])]  # the frames above hold this machine's paths
    return notebook


def _joined(outputs: Sequence[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Return outputs with what was printed in a row as one: it comes in as many pieces as a kernel happens to send."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        before = joined[-1] if joined else None
        if before is not None and output.output_type == "stream" and before.get("name") == output.name:
            before.text += output.text
        else:
            joined.append(output)
    return joined


@contextmanager
def _clean_environment(language: str, *, on_cpu: bool) -> Iterator[None]:
    """Give the kernels a language, a data folder of their own and the usual plotting; ``on_cpu``: no accelerator."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as data:
        os.environ["D2LCOMPUTE_DATA"] = data
        os.environ.pop("MPLBACKEND", None)
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # kernels side by side would fight for the cores
        os.environ["D2LCOMPUTE_LANG"] = language
        if on_cpu:
            os.environ["D2LCOMPUTE_DEVICE"] = "cpu"
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def execute_all(paths: Sequence[Path], *, jobs: int, language: str = ORIGINAL, store: bool = False) -> list[Outcome]:
    """Execute notebooks, print a line as each begins and ends, and return the outcomes in order.

    Args:
        paths: the notebooks.
        jobs: how many at a time.
        language: the language that the package speaks in them.
        store: write the outputs into the files, as they are on the CPU.
    """
    outcomes: dict[Path, Outcome] = {}

    def begin(path: Path) -> Outcome:
        print(f"  ..  {path.stem} ({_code_cells(path)} code cells)", flush=True)
        return execute(path)

    with _clean_environment(language, on_cpu=store), ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(begin, path) for path in paths]):
            outcome = future.result()
            outcomes[outcome.path] = outcome
            _report(outcome, len(outcomes), len(paths))
            if store and outcome.error is None:
                text = nbformat.writes(normalize(outcome.notebook), indent=1, ensure_ascii=False) + "\n"
                outcome.path.write_text(text, encoding="utf-8", newline="\n")
    return [outcomes[path] for path in paths]


def _report(outcome: Outcome, done: int, total: int) -> None:
    """Print one notebook's result."""
    mark = "FAIL" if outcome.error else " ok "
    counted = f"{outcome.cells:3d} cells {outcome.seconds:6.1f} s"
    print(f" {mark} {outcome.path.stem:<26} {counted}   ({done}/{total})", flush=True)
    if outcome.error:
        print("      " + outcome.error.replace("\n", "\n      "), flush=True)


def _trouble_with(path: Path) -> str:
    """Say why a file cannot be read as a notebook; nothing if it can."""
    try:
        nbformat.validate(nbformat.read(path, as_version=4))
    except (nbformat.reader.NotJSONError, UnicodeDecodeError):
        return "found a file that is not JSON"
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError) as error:
        return f"found JSON of another form ({type(error).__name__})"
    except OSError as error:
        return f"and it cannot be read ({error.strerror})"
    return ""


def _editions() -> list[str]:
    """Return the languages of the course: the folders that hold notebooks."""
    return sorted({path.parent.name for path in NOTEBOOKS.glob("*/*.ipynb")})


def _code_cells(path: Path) -> int:
    """Count the code cells of a notebook."""
    return sum(cell.cell_type == "code" for cell in nbformat.read(path, as_version=4).cells)


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute what the command line names, and return the exit status: 1 if any notebook failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.execute", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebook files (default: the whole course)")
    parser.add_argument("--language", default=ORIGINAL, help=f"the edition of the course (default: {ORIGINAL})")
    parser.add_argument("--store", action="store_true", help="write the outputs into the files")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time (default: 2)")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        parser.error(f"--jobs must be at least 1; got {options.jobs}")
    if options.language not in (editions := _editions()):
        parser.error(f"--language must be one of {', '.join(editions)}; got {options.language!r}")
    if options.store and options.language != ORIGINAL:
        parser.error(
            f"--store is for the edition in {ORIGINAL!r}, whose outputs the others take over by python -m "
            f"tools.translate; got --language {options.language}"
        )
    course = NOTEBOOKS / options.language
    paths = [path.resolve() for path in options.notebooks] or sorted(course.glob("*.ipynb"))
    if missing := [path for path in paths if not path.is_file()]:
        parser.error(f"no such notebook: {', '.join(map(str, missing))}")
    if not paths:
        parser.error(f"no notebooks in {course}")
    for path in paths:
        if trouble := _trouble_with(path):
            parser.error(f"{path}: expected a Jupyter notebook, {trouble}; check the path")
    started = time.perf_counter()
    outcomes = execute_all(paths, jobs=options.jobs, language=options.language, store=options.store)
    failed = [outcome.path.stem for outcome in outcomes if outcome.error]
    cells = sum(outcome.cells for outcome in outcomes)
    seconds = time.perf_counter() - started
    verb = "stored" if options.store else "executed"
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} notebooks {verb}, {cells} cells, {seconds:.1f} s")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
