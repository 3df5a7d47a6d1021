"""Verdicts: what is asked of a server, and what it answers; both travel as a line of JSON."""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata

from .._translation import N_, language
from .program import Cell

__all__ = ["PASSED", "STATUSES", "Job", "Verdict"]

PASSED = N_("passed")
STATUSES = {
    PASSED: N_("passed"),
    N_("failed"): N_("the check found a counter-example, or the code raises an error"),
    N_("not attempted"): N_("the stub is as it was"),
    N_("missing"): N_("the exercise is in none of the learner's notebooks"),
    N_("unreadable"): N_("the notebook cannot be read"),
    N_("too long"): N_("the code ran for longer than it may"),
    N_("too large"): N_("the code took more memory than it may"),
    N_("died"): N_("the process of the answer ended without a verdict"),
    N_("tampered"): N_("the code changes what it is checked with"),
}
"""What an answer can come to, and what it means. All but the first earn no points."""


@dataclass(frozen=True)
class Verdict:
    """What an answer came to.

    Attributes:
        status: one of :data:`STATUSES`.
        message: what the learner reads.
        remark: the known mistake that was recognised, in a sentence; empty if none was.
    """

    status: str
    message: str = ""
    remark: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}; got {self.status!r}")

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """Read a verdict; ValueError or TypeError if it is none."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """Return the verdict as one line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Job:
    """An answer to be judged.

    Attributes:
        exercise: the exercise's name.
        notebooks: the code cells of the learner's notebooks that pose it, in the order of their paths.
        whole: run each cell before the answer, and not only what the answer needs.
    """

    exercise: str
    notebooks: tuple[tuple[Cell, ...], ...]
    whole: bool = False

    @cached_property
    def digest(self) -> str:
        """What tells this answer from any other: its cells, the exercise, the package that checks it, its language."""
        parts = metadata.version("d2lcompute"), language(), self.to_json()
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def without(self, status: str, why: str) -> Verdict:
        """Return the verdict on an answer that came to nothing; ``why`` is what the learner reads."""
        return Verdict(status, f"✗ {self.exercise}: {why}")

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Read a job."""
        kept = json.loads(text)
        kept["notebooks"] = tuple(tuple(Cell(*cell) for cell in cells) for cells in kept["notebooks"])
        return cls(**kept)

    def to_json(self) -> str:
        """Return the job as one line."""
        notebooks = [[[cell.id, cell.source] for cell in cells] for cells in self.notebooks]
        return json.dumps({"exercise": self.exercise, "notebooks": notebooks, "whole": self.whole})
