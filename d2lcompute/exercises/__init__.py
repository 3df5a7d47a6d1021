"""Exercises that answer back: check an answer, ask for a hint, read a solution, see where you stand."""

from d2lcompute.exercises._check import check
from d2lcompute.exercises._help import hint, solution
from d2lcompute.exercises._progress import progress
from d2lcompute.exercises._report import CheckResult

__all__ = ["CheckResult", "check", "hint", "progress", "solution"]
