"""Validate the notebooks under conditions that may differ from one machine, or one run, to another.

``python -m tools.evidence.hermetic`` runs each variant on a fresh copy of the source tree, with a home and a temporary
folder of its own, and looks what is left behind. Where a condition can be asked for, a notebook of one cell, validated
with the others, asserts in its kernel that the condition holds. Exit status 1 if a cell fails or something is left
behind.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil  # type: ignore[import-untyped]  # comes with ipykernel
from nbformat.v4 import new_code_cell, new_notebook

from tools import suite
from tools.evidence import page

ROOT = Path(__file__).resolve().parents[2]
_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "_build")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

# Ways to start a command, the first that this machine permits: as root, or in a user namespace of one's own.
_OFFLINE = tuple(("unshare", flag, "sh", "-c", 'ip link set lo up && exec "$@"', "sh") for flag in ("-n", "-rn"))
_READ_ONLY = tuple(
    ("unshare", flag, "sh", "-c", 'mount --bind . . && mount -o remount,ro,bind . && cd / && exec "$@"', "sh")
    for flag in ("-m", "-rm")
)


@dataclass(frozen=True)
class Variant:
    """One condition.

    Args:
        name: what ``--only`` and the table call it.
        condition: what is special, in a few words.
        probe: code that asserts in a kernel that the condition holds; empty where it cannot be asked for.
        environment: the environment variables that make it.
        starts: ways to start a command under the condition; the first that works is taken.
        processor: the flag that the processor must have.
        folder: where the notebooks are copied to, under the sandbox; by default they stay in the source tree.
        shuffled: whether the files come in a random order.
        runs: how often the notebooks are validated in the same folder.
    """

    name: str
    condition: str
    probe: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    starts: tuple[tuple[str, ...], ...] = ((),)
    processor: str = ""
    folder: str = ""
    shuffled: bool = False
    runs: int = 1


def _capability(level: str) -> str:
    """Return the probe for the instruction set that PyTorch's own kernels use."""
    return f"import torch\nassert torch.backends.cpu.get_cpu_capability() == {level!r}"


def _threads(count: int) -> str:
    """Return the probe for the number of threads that one operation uses."""
    return f"import torch\nassert torch.get_num_threads() == {count}"


VARIANTS = (
    Variant("plain", "as `make test` does it: one thread, every instruction of the processor", _threads(1)),
    Variant(
        "offline",
        "a network namespace with nothing but loopback",
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), timeout=5)\n"
        "except OSError as error:\n    assert error.errno == 101, error\nelse:\n    assert False",
        starts=_OFFLINE,
    ),
    Variant(
        "elsewhere",
        "notebooks copied out of the tree, into a folder named with a space and letters of two scripts",
        "from pathlib import Path\nassert Path.cwd().name == 'mein Kurs 课程'",
        folder="mein Kurs 课程",
    ),
    Variant(
        "read-only",
        "the source tree mounted read-only",
        "import errno\ntry:\n    open('new', 'w').close()\n"
        "except OSError as error:\n    assert error.errno == errno.EROFS\nelse:\n    assert False",
        starts=_READ_ONLY,
    ),
    Variant(
        "warnings",
        "every warning an error, in pytest, in the kernels and in their subprocesses",
        "import warnings\ntry:\n    warnings.warn('x', DeprecationWarning)\nexcept DeprecationWarning:\n    pass\n"
        "else:\n    assert False",
        environment={"PYTHONWARNINGS": "error"},
    ),
    Variant("two-threads", "two threads an operation", _threads(2), environment={"VALIDATION_THREADS": "2"}),
    Variant(
        "cpu-default",
        "PyTorch's kernels without vector instructions beyond the baseline",
        _capability("DEFAULT"),
        environment={"ATEN_CPU_CAPABILITY": "default"},
    ),
    Variant(
        "cpu-avx2",
        "PyTorch's kernels with AVX2",
        _capability("AVX2"),
        environment={"ATEN_CPU_CAPABILITY": "avx2"},
        processor="avx2",
    ),
    Variant(
        "cpu-avx512",
        "PyTorch's kernels with AVX-512",
        _capability("AVX512"),
        environment={"ATEN_CPU_CAPABILITY": "avx512"},
        processor="avx512f",
    ),
    Variant(
        "libraries",
        "oneDNN with SSE 4.1 alone, MKL on the path that all processors share",
        "import os\nassert os.environ['MKL_CBWR'] == 'COMPATIBLE'",
        environment={"ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    ),
    Variant("shuffled", "the files in a random order", shuffled=True),
    Variant("twice", "two runs, one after the other, in the same folder", runs=2),
)


@dataclass
class Result:
    """What came of one variant.

    Attributes:
        passed: how many cells passed.
        failed: the cells that failed, with the reason.
        left: what was left behind.
        skipped: why the variant is not possible here; empty if it was run.
    """

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    skipped: str = ""

    @property
    def row(self) -> str:
        """The cells of the table that tell the result."""
        return (
            f"not run: {self.skipped} | |" if self.skipped else f"{self.passed} | {len(self.failed)} | {len(self.left)}"
        )


class Sandbox:
    """A copy of the source tree with folders of its own around it.

    Args:
        folder: an empty folder.
        variant: the condition.
        notebooks: names of the notebooks to validate; all if empty.
    """

    def __init__(self, folder: Path, variant: Variant, notebooks: Sequence[str]) -> None:
        self.folder, self.variant = folder, variant
        self.source, self.home, self.temporary, self.own = (folder / name for name in ("source", "home", "tmp", "own"))
        shutil.copytree(ROOT, self.source, ignore=_LEFT_OUT)
        for empty in (self.home, self.temporary, self.own):
            empty.mkdir()
        course = self.source / "notebooks" / "en"
        if variant.folder:
            course = folder / variant.folder
            shutil.copytree(self.source / "notebooks" / "en", course)
            shutil.copy(self.source / "notebooks" / "conftest.py", course)
        self.paths = [path for path in sorted(course.glob("*.ipynb")) if not notebooks or path.stem in notebooks]
        if variant.probe:
            cell = new_code_cell(variant.probe, id="condition-check", execution_count=1)
            probe = new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
            nbformat.write(probe, course / "condition.ipynb")
            self.paths.append(course / "condition.ipynb")

    def environment(self) -> dict[str, str]:
        """Return the environment: what Jupyter, matplotlib and PyTorch keep for themselves goes to ``own``."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG_", "OMP_", "PYTEST"))
        }
        folders = {"HOME": self.home, "USERPROFILE": self.home, "TMPDIR": self.temporary, "TEMP": self.temporary}
        own = ["IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"]
        own += ["TORCHINDUCTOR_CACHE_DIR"]  # importing torchao makes it
        folders |= {"TMP": self.temporary, "PYTHONPATH": self.source, **{name: self.own / name.lower() for name in own}}
        paths = {name: str(path) for name, path in folders.items()}
        return kept | paths | {"PYTHONDONTWRITEBYTECODE": "1"} | dict(self.variant.environment)

    def snapshot(self) -> dict[str, bytes | None]:
        """Return what lies in the folders that nothing should be written to: path → content, None for a folder."""
        places = [self.source, self.home, self.temporary, self.folder / (self.variant.folder or "source")]
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for place in places
            for path in place.rglob("*")
        }

    def validate(self, start: Sequence[str], jobs: int) -> Result:
        """Validate the notebooks once."""
        report = self.own / "report.xml"
        report.unlink(missing_ok=True)
        quiet = ["-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:benchmark"]
        places: list[str | Path] = [
            "-c",
            self.source / "pyproject.toml",
            f"--rootdir={self.folder}",
            f"--basetemp={self.own / 'pytest'}",
        ]
        command = suite.pytest_command(*quiet, *places, f"--junitxml={report}", *self.paths, jobs=jobs)
        done = subprocess.run(
            [*start, *command],
            env=self.environment(),
            cwd=self.source,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return _read(report, self.paths, done.stdout + done.stderr)

    def processes(self) -> list[str]:
        """Name the processes that this sandbox's environment shows to have been started here, and still run."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("PYTHONPATH") == str(self.source):
                    found.append(f"the process {' '.join(process.cmdline())[:80]}")
            except (psutil.Error, OSError):
                continue
        return found


def _read(report: Path, paths: Sequence[Path], printed: str) -> Result:
    """Return what pytest's report says; each code cell has to be there."""
    ids = {
        path.stem: [cell.id for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        for path in paths
    }
    result = Result()
    cases = list(suite.cases(report))
    for case in cases:
        if case.outcome != "failed":
            result.passed += 1
            continue
        stem = case.group.removesuffix(".ipynb").rpartition(".")[2].rpartition("/")[2]
        name = case.name
        if stem in ids:  # else it is not a cell that failed, but a file or a worker
            name = f"{stem}: {ids[stem][int(name.removeprefix('Cell '))]}"
        reason = _ANSI.sub("", case.reason.replace("#x1B", "\x1b")).strip().splitlines()
        result.failed.append("\n        ".join([name, *reason[-6:]]))
    if len(cases) != sum(map(len, ids.values())):
        result.failed.append(f"{len(cases)} of {sum(map(len, ids.values()))} cells were reported: {printed[-600:]}")
    return result


def run(variant: Variant, *, jobs: int, seed: int, notebooks: Sequence[str] = ()) -> Result:
    """Validate the notebooks under one condition, and look what is left behind."""
    if variant.processor and variant.processor not in _processor_flags():
        return Result(skipped=f"the processor has no {variant.processor}")
    with tempfile.TemporaryDirectory(prefix="hermetic-") as folder:
        sandbox = Sandbox(Path(folder).resolve(), variant, notebooks)
        start = next((each for each in variant.starts if _works(each, sandbox.source)), None)
        if start is None:
            return Result(skipped=f"{variant.starts[0][0]} is not there, or not permitted")
        if variant.shuffled:
            random.Random(seed).shuffle(sandbox.paths)  # noqa: S311  (an order, not a secret)
        before, result = sandbox.snapshot(), Result()
        for _ in range(variant.runs):
            once = sandbox.validate(start, jobs)
            result.passed, result.failed = result.passed + once.passed, result.failed + once.failed
        after = sandbox.snapshot()
        result.left = sorted(name for name in before | after if before.get(name, "") != after.get(name, ""))
        result.left += sandbox.processes()
        return result


def _works(start: Sequence[str], folder: Path) -> bool:
    """Tell whether a command can be started in this way."""
    try:
        return (
            not start or subprocess.run([*start, "true"], cwd=folder, capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def _processor_flags() -> set[str]:
    """Return what the processor can do, as Linux tells it; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^flags\s*:(.*)$", path.read_text(), re.MULTILINE) if path.is_file() else None
    return set(found[1].split()) if found else set()


def table(results: Mapping[str, Result]) -> list[str]:
    """Return the table: the results of this run, and for variants that were left out those that the page has."""
    kept = page.rows("validation.md", "hermetic")
    fresh = {
        variant.name: f"| {variant.name} | {variant.condition} | {results[variant.name].row} |"
        for variant in VARIANTS
        if variant.name in results
    }
    rows = [(kept | fresh)[variant.name] for variant in VARIANTS if variant.name in kept | fresh]
    return ["| variant | condition | cells passed | failed | left behind |", "|---|---|---:|---:|---:|", *rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the variants that the command line names, print a line for each, and return the exit status."""
    names = [variant.name for variant in VARIANTS]
    parser = argparse.ArgumentParser(prog="python -m tools.evidence.hermetic", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of: {', '.join(names)}"
    )
    parser.add_argument("--notebooks", nargs="+", default=(), metavar="NAME", help="such as 01_blocks (default: all)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="decides the random order of the files (default: 0)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/validation.md")
    options = parser.parse_args(arguments)
    results = {}
    for variant in VARIANTS:
        if variant.name not in options.only:
            continue
        print(f"  ..  {variant.name}: {variant.condition}", flush=True)
        started = time.perf_counter()
        result = run(variant, jobs=options.jobs, seed=options.seed, notebooks=options.notebooks)
        results[variant.name] = result
        mark = "skip" if result.skipped else "FAIL" if result.failed or result.left else " ok "
        counted = (
            result.skipped or f"{result.passed} passed, {len(result.failed)} failed, {len(result.left)} left behind"
        )
        print(f" {mark} {variant.name:<12} {counted}  ({time.perf_counter() - started:.0f} s)", flush=True)
        for line in [*result.failed, *(f"left behind: {name}" for name in result.left)]:
            print(f"      {line}", flush=True)
    print("\n".join(table(results)))
    if options.write and not options.notebooks:
        page.put("validation.md", "hermetic", table(results))
    return int(any(result.failed or result.left for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
