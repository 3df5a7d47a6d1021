"""Grades: a folder of submissions judged, answer by answer, and what came of it for each learner."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..exercises.registry import names
from .ledger import Ledger
from .points import points_for
from .submissions import Submission, submissions_in
from .verdict import PASSED, Job, Verdict

__all__ = ["Grades", "Judging", "grade"]

Judging = Callable[[Iterable[Sequence[Job]]], Iterator[tuple[Job, Verdict]]]
"""Takes answers, a learner's together, and yields each with its verdict: ``pool.judged_here``, or a cluster's."""


@dataclass
class Grades:
    """What came of a class.

    Attributes:
        exercises: the names of the exercises, in the course's order.
        points: what each earns when it is passed.
        verdicts: learner → exercise → verdict.
        unreadable: learner → the notebooks that could not be read, and why.
    """

    exercises: list[str]
    points: dict[str, float]
    verdicts: dict[str, dict[str, Verdict]] = field(default_factory=dict)
    unreadable: dict[str, dict[str, str]] = field(default_factory=dict)

    def earned(self, learner: str, exercise: str) -> float:
        """Return the points that a learner earned with an exercise."""
        return self.points[exercise] if self.verdicts[learner][exercise].status == PASSED else 0.0

    def total(self, learner: str) -> float:
        """Return a learner's points."""
        return sum(self.earned(learner, exercise) for exercise in self.exercises)


def grade(
    folder: Path,
    judging: Judging,
    ledger: Ledger,
    *,
    notebooks: Sequence[str] = (),
    whole: bool = False,
    table: Path | None = None,
    told: Callable[[int, int], None] | None = None,
) -> Grades:
    """Judge every answer in a folder of submissions that is not in the ledger yet.

    Args:
        folder: the submissions.
        judging: who judges.
        ledger: where verdicts are kept as they come.
        notebooks: the notebooks whose exercises count, such as ``["01_blocks"]``; by default all that were handed in.
        whole: run each cell before an answer, and not only what the answer needs.
        table: the teacher's table of points; see :func:`~d2lcompute.grading.points.points_for`.
        told: called after each verdict, with the number of answers judged in this run and of those that were known.

    Raises:
        ValueError: if the folder holds no submission, if a notebook's name is wrong, or the table.
        OSError: if a verdict cannot be kept.
    """
    class_ = _Class(ledger, asked_for(notebooks), whole)
    points_for((), table)  # a mistake in it shows now, not after the night
    for done, (job, verdict) in enumerate(judging(class_.open_jobs(submissions_in(folder))), start=1):
        ledger.add(job.digest, verdict)
        if told:
            told(done, class_.known)
    exercises = class_.exercises()
    return Grades(exercises, points_for(exercises, table), class_.verdicts(), class_.unreadable)


def asked_for(notebooks: Sequence[str]) -> list[str]:
    """Return the names of the exercises of some notebooks; of all if none is named.

    Raises:
        ValueError: if a name is that of no notebook.
    """
    known = names()
    if unknown := [name for name in notebooks if name not in known]:
        raise ValueError(f"no notebook of the course is called {', '.join(unknown)}; there are: {', '.join(known)}")
    return [name for notebook in known if not notebooks or notebook in notebooks for name in known[notebook]]


class _Class:
    """What is known of a class while it is judged: which answer of which learner is which in the ledger."""

    def __init__(self, ledger: Ledger, wanted: list[str], whole: bool) -> None:
        self.ledger, self.wanted, self.whole = ledger, wanted, whole
        self.known = 0
        self.unreadable: dict[str, dict[str, str]] = {}
        self._found: dict[str, dict[str, Verdict | str]] = {}

    def open_jobs(self, submissions: Iterable[Submission]) -> Iterator[list[Job]]:
        """Yield the answers that have to be judged, a learner's together; each once, however many learners gave it."""
        asked: set[str] = set()
        for submission in submissions:
            found = self._found[submission.learner] = {}
            jobs = []
            if submission.unreadable:
                self.unreadable[submission.learner] = submission.unreadable
            for name in self.wanted:
                posing = submission.posing(name)
                if not posing:
                    continue
                if all(submission.untouched(name)):
                    found[name] = Verdict("not attempted")
                    continue
                job = Job(name, tuple(tuple(submission.cells[path]) for path in posing), self.whole)
                found[name] = job.digest
                if self.ledger.get(job.digest):
                    self.known += 1
                elif job.digest not in asked:
                    asked.add(job.digest)
                    jobs.append(job)
            if jobs:
                yield jobs

    def exercises(self) -> list[str]:
        """Return the exercises that were handed in by anybody."""
        handed_in = {name for found in self._found.values() for name in found}
        return [name for name in self.wanted if name in handed_in]

    def verdicts(self) -> dict[str, dict[str, Verdict]]:
        """Return learner → exercise → verdict; an exercise that a learner did not hand in is missing."""
        return {
            learner: {name: self._verdict(learner, found.get(name)) for name in self.exercises()}
            for learner, found in self._found.items()
        }

    def _verdict(self, learner: str, found: Verdict | str | None) -> Verdict:
        if isinstance(found, Verdict):
            return found
        if found is None:
            why = "; ".join(f"{path}: {why}" for path, why in self.unreadable.get(learner, {}).items())
            return Verdict("unreadable", why) if why else Verdict("missing")
        return self.ledger.get(found) or Verdict("died", "no verdict came")


def remarks(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Return how often each known mistake was made, the most frequent first."""
    counted: dict[str, int] = {}
    for verdict in verdicts:
        if verdict.status == "failed" and verdict.remark:
            counted[verdict.remark] = counted.get(verdict.remark, 0) + 1
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
