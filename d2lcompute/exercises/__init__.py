"""Exercises that answer back: check an answer, ask for a hint, read a solution, see where you stand.

``learner`` holds what a learner calls; ``checking`` tries an answer and words the report; ``sandbox`` keeps what an
answer does from the rest of the process; ``lessons`` has one file an exercise, which imports ``authoring`` and nothing
else from here; ``registry`` finds them by name.
"""

from .checking.report import CheckResult
from .learner.check import check
from .learner.help import hint, solution
from .learner.progress import progress

__all__ = ["CheckResult", "check", "hint", "progress", "solution"]
