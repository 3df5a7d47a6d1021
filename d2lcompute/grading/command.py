"""The command ``d2lcompute grade``: what it prints, and in what order it does its work."""

import argparse
import sys
import time
from functools import partial
from pathlib import Path

from .._translation import tr
from .confinement import confined_here, lacking
from .grades import Judging, grade
from .ledger import Ledger
from .pages import write_pages
from .pool import judged_here

__all__ = ["run"]


def run(options: argparse.Namespace) -> int:
    """Grade a folder, as the command line asks.

    Returns:
        The exit status: 0 if all is graded, 1 if something is wrong with what was asked, 130 after Ctrl-C.
    """
    folder = Path(options.folder)
    out = Path(options.out) if options.out else folder.with_name("grades")
    try:
        with Ledger(out / "ledger.jsonl") as ledger:
            progress = _Progress()
            grades = grade(
                folder,
                _judging(options),
                ledger,
                notebooks=options.notebooks or (),
                whole=options.whole,
                table=Path(options.points) if options.points else None,
                told=progress.told,
            )
            progress.end()
        written = write_pages(grades, out)
    except ValueError as error:
        print(f"d2lcompute grade: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
        print(f"d2lcompute grade: {what}; what is graded is kept: mend it, and run the same again", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nd2lcompute grade: stopped; what is graded is kept, the same command goes on", file=sys.stderr)
        return 130
    counts = {"count": len(grades.verdicts), "exercises": len(grades.exercises)}
    print(tr("Learners: {count}. Exercises: {exercises}.", **counts), out / "summary.html")
    print(
        f"{len(written)} files in {out}: grades.csv, grades.json, summary.html, and feedback/ with two pages a learner"
    )
    return 0


def _judging(options: argparse.Namespace) -> Judging:
    """Return who judges: servers on this machine, or a cluster's workers."""
    if options.scheduler:
        from .cluster import judged_on  # distributed comes with the extra `teach`

        return partial(judged_on, options.scheduler)
    confined = confined_here()
    for each in () if confined else lacking():
        print(f"d2lcompute grade: warning: {each}", file=sys.stderr)
    return partial(judged_here, workers=options.jobs, confined=confined)


class _Progress:
    """Says on the standard error how many answers are judged, and how many a minute."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.live = sys.stderr.isatty()

    def told(self, done: int, known: int) -> None:
        """Say it, once a second on a terminal, else once in ten."""
        now = time.monotonic()
        if now - self.last < (1 if self.live else 10):
            return
        self.last = now
        pace = 60 * done / (now - self.began)
        text = f"{done} answers judged, {pace:.0f} a minute" + (f"; {known} known from before" if known else "")
        print(f"\r{text}  " if self.live else text, end="" if self.live else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self.live:
            print(file=sys.stderr)
