"""Run the course on this machine's accelerator, hold the pretended machine against it, and keep what came of it.

``python -m tools.accelerator`` (``make test-gpu``) needs one CUDA card, no network, and some minutes. It measures
products of matrices, runs the device tests, asks the card what ``tests/pretend/reality`` asks the pretended machine,
runs the notebooks, and writes rows into docs/hardware.md. What it has no time or no package for is told as not run.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from d2lcompute.pretend import A100, H200, Card
from tests.pretend.reality.comparing import compare
from tests.pretend.reality.facts import described
from tools import suite
from tools.evidence import page

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("tests/pretend/test_every_device.py", "tests/pretend/test_reality.py")
PACKAGES = ("numpy", "matplotlib", "sklearn", "safetensors", "hypothesis", "nbclient", "ipykernel", "d2l")
CARDS = {card.name: card for card in (A100, H200)}
SIZES = (1024, 2048, 4096, 8192)
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
ROUNDS, PRODUCTS = 5, 10

RUNS = [
    "| card | date | versions | device tests | answers | notebooks | not installed |",
    "|---|---|---|---|---|---|---|",
]
CLOCK = [f"| card, dtype | {' | '.join(map(str, SIZES))} |", "|---|" + "---:|" * len(SIZES)]
NOT_RUN = "not run"


@dataclass
class Deadline:
    """When the run has to be over.

    Args:
        minutes: how long it may take from now.
    """

    minutes: float

    def __post_init__(self) -> None:
        self._ends = time.monotonic() + 60 * self.minutes

    @property
    def seconds_left(self) -> float:
        """How many seconds are left; at least one, for what is begun is to be told of."""
        return max(1.0, self._ends - time.monotonic())


def device_tests(deadline: Deadline) -> str:
    """Run the tests that every accelerator has to pass, and return how many did."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *TESTS]
        _within(deadline, command)
        counts = Counter(case.outcome for case in suite.cases(report))
    return _told(counts["passed"], "passed", failed=counts["failed"], skipped=counts["skipped"])


def answers(deadline: Deadline) -> str:
    """Ask the card, in a process of its own, what the pretended machine is asked, and return how many answers agree."""
    with tempfile.TemporaryDirectory() as scratch:
        record = Path(scratch, "recorded.json")
        _within(deadline, [sys.executable, "-m", "tests.pretend.reality", str(record)])
        if not record.is_file():
            return NOT_RUN
        found = compare(json.loads(record.read_text(encoding="utf-8")))
    for name in found["different"]:
        print(f"  answered otherwise: {name}", flush=True)
    known = f"{len(found['known'])} known to be others" if found["known"] else ""
    return _told(len(found["same"]), "as pretended", known, failed=len(found["different"]), word="different")


def notebooks(deadline: Deadline) -> str:
    """Run the notebooks in their kernels, with the accelerator in sight, as long as there is time."""
    try:
        from tools import execute  # it needs nbclient
    except ModuleNotFoundError as missing:
        return f"{NOT_RUN}: {missing.name} is missing"
    paths = sorted(execute.COURSE.glob("*.ipynb"))
    outcomes = []
    for path in paths:
        if deadline.seconds_left < execute.CELL_TIMEOUT_SECONDS / 2:
            break
        outcomes += execute.execute_all([path], jobs=1)
    failed = [outcome.path.stem for outcome in outcomes if outcome.error]
    unseen = f"{len(paths) - len(outcomes)} {NOT_RUN}" if len(outcomes) < len(paths) else ""
    cells = sum(outcome.cells for outcome in outcomes)
    return _told(len(outcomes) - len(failed), f"passed ({cells} cells)", unseen, failed=len(failed))


def measure(n: int, dtype: torch.dtype, device: torch.device) -> float:
    """Return the FLOPs a second that a product of two n × n matrices reaches: the best of some rounds, by events."""
    X, Y = (torch.rand(n, n, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        for _ in range(PRODUCTS):
            X @ Y
        end.record()
        end.synchronize()
        best = min(best, start.elapsed_time(end) / 1000 / PRODUCTS)
    return 2 * n**3 / best


def cell(measured: float, n: int, dtype: torch.dtype, card: Card | None) -> str:
    """Return a cell of the table of products: what was measured, and how much too quick the model is.

    Example:
        >>> cell(30.5e12, 1024, torch.float32, H200), cell(30.5e12, 1024, torch.float32, None)
        ('30.5, 54 % too quick', '30.5')
    """
    told = f"{measured / 1e12:.1f}"
    if card is None:
        return told
    error = 1 - card.seconds(2 * n**3, 3 * n**2 * dtype.itemsize, dtype) / (2 * n**3 / measured)
    return f"{told}, {abs(error):.0%}".replace("%", " %") + f" too {'quick' if error > 0 else 'slow'}"


def clock(name: str, deadline: Deadline) -> Iterator[str]:
    """Measure products in each dtype, and yield their rows."""
    device = torch.device("cuda", torch.cuda.current_device())
    for told, dtype in DTYPES.items():
        cells = []
        for n in SIZES:
            in_time = deadline.seconds_left > 30
            cells.append(cell(measure(n, dtype, device), n, dtype, CARDS.get(name)) if in_time else NOT_RUN)
        yield f"| {name}, {told} | {' | '.join(cells)} |"


def missing() -> str:
    """Name the packages that some part would use and that are not installed."""
    return ", ".join(name for name in PACKAGES if importlib.util.find_spec(name) is None) or "none"


def _within(deadline: Deadline, command: Sequence[str]) -> None:
    """Run a command until the time is over; what it wrote until then stays."""
    try:
        subprocess.run(command, cwd=ROOT, timeout=deadline.seconds_left, check=False)
    except subprocess.TimeoutExpired:
        print(f"  stopped: {' '.join(command[1:4])} took longer than there was time for", flush=True)


def _told(right: int, what: str, *more: str, failed: int, skipped: int = 0, word: str = "failed") -> str:
    """Say how many were right, and how many were not.

    Example:
        >>> _told(12, "passed", failed=0, skipped=2), _told(880, "as pretended", "12 known", failed=1, word="different")
        ('12 passed, 2 skipped', '880 as pretended, 12 known, **1 different**')
    """
    if not right and not failed and not skipped:
        return NOT_RUN
    parts = [f"{right} {what}", *filter(None, more)]
    if skipped:
        parts.append(f"{skipped} skipped")
    if failed:
        parts.append(f"**{failed} {word}**")
    return ", ".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts, write the rows, and return the exit status: 1 if anything failed; without a card nothing runs."""
    parser = argparse.ArgumentParser(prog="python -m tools.accelerator", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=8.0, help="how long it may take (default: 8)")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no CUDA card on this machine: 0 run")
        return 0
    machine, deadline = described(), Deadline(options.minutes)
    print(f"on {machine['card']}, one of {torch.cuda.device_count()}", flush=True)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))  # for kernels
    products = list(clock(machine["card"], deadline))
    print("\n".join(products), flush=True)
    found = []
    for part in (device_tests, answers, notebooks):
        found.append(part(deadline))
        print(f"{part.__name__.replace('_', ' ')}: {found[-1]}", flush=True)
    versions = ", ".join(f"{name} {machine[name]}" for name in ("driver", "torch", "cuda", "python"))
    run = " | ".join([machine["card"], machine["date"], versions, *found, missing()])
    _keep("runs", RUNS, [f"| {run} |"])
    _keep("clock", CLOCK, products)
    return 1 if "**" in run else 0


def _keep(table: str, head: list[str], rows: Sequence[str]) -> None:
    """Write rows into a table of the page; a row of the same first cell gives way."""
    kept = page.rows("hardware.md", table) | {row.split("|")[1].strip(): row for row in rows}
    page.put("hardware.md", table, head + list(kept.values()))


if __name__ == "__main__":
    sys.exit(main())
