"""Examining an answer: run each requirement, survive whatever the answer does, report the first counter-example."""

import io
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import torch

from ..._translation import tr
from ..sandbox.settings import SEED, changed_settings, kept_settings, seed_everything
from ..sandbox.stop import TimeIsUp, noted_interrupts, run_within
from .compare import plain_text, shorten
from .exercise import Exercise, Requirement
from .report import CheckResult, Failure, is_stub_error, not_attempted, passed, report
from .trial import Counterexample, Trial

__all__ = ["LIMIT_SECONDS", "examine", "requirement_of"]

LIMIT_SECONDS = 10.0


def examine(
    exercise: Exercise,
    answer: Any,
    *,
    seed: int | None = None,
    limit_seconds: float = LIMIT_SECONDS,
    requirements: tuple[Requirement, ...] | None = None,
) -> CheckResult:
    """Try an answer and keep no record.

    Args:
        exercise: the exercise.
        answer: the answer.
        seed: decides what is drawn; by default a fresh one.
        limit_seconds: when to stop an answer that is still running.
        requirements: those to try; by default all of the exercise.
    """
    if _is_open(answer):
        return not_attempted(exercise.name)
    trials = _Trials(exercise, answer, int.from_bytes(os.urandom(6), "big") if seed is None else seed)
    printed = _Printed()
    with noted_interrupts() as interrupts, kept_settings() as settings:
        try:
            with redirect_stdout(printed), redirect_stderr(printed):
                wanted = requirements or exercise.requirements
                failure = run_within(limit_seconds, lambda: trials.first_failure(wanted, settings))
        except TimeIsUp:
            failure = trials.too_long(limit_seconds)
        finally:
            interrupts.deferred = True
    if failure is None:
        return passed(exercise.name)
    return (
        not_attempted(exercise.name) if is_stub_error(failure.found) else report(exercise.name, failure, printed.text)
    )


def requirement_of(requirement: Requirement) -> str:
    """Return what a requirement demands, in one sentence: the first of its docstring."""
    return " ".join((requirement.__doc__ or "").split("\n\n")[0].split())


class _Trials:
    """The trials of one answer.

    Args:
        exercise: the exercise.
        answer: the answer.
        seed: the first trial's seed; each further one has the next.
    """

    def __init__(self, exercise: Exercise, answer: Any, seed: int) -> None:
        self.exercise, self.answer, self.seed = exercise, answer, seed
        self.requirement, self.trial = exercise.form, Trial(seed)

    def first_failure(self, requirements: tuple[Requirement, ...], settings: dict[str, Any]) -> Failure | None:
        """Return the first failure, in the order of the requirements."""
        plan = [self.exercise.form, *(each for each in requirements for _ in range(self.exercise.rounds))]
        for number, requirement in enumerate(plan):
            with Trial(self.seed + number) as trial:
                self.requirement, self.trial = requirement, trial
                failure = self._failure(settings)
            if failure is not None:
                return failure
        return None

    def too_long(self, seconds: float) -> Failure:
        """Return the failure of an answer that was stopped."""
        return self._found(
            Counterexample(
                expected=tr("an answer within {seconds:g} seconds", seconds=seconds),
                got=tr("it was still running, and was stopped"),
                remark=tr("Is there a loop that nothing ends, or far more work than the task needs?"),
            )
        )

    def _failure(self, settings: dict[str, Any]) -> Failure | None:
        """Run one trial. What the answer raises is a finding; what it leaves changed is one too, and weighs more."""
        seed_everything(self.trial.seed)
        failure = None
        try:
            self.requirement(self.answer, self.trial)
        except TimeIsUp:
            raise
        except BaseException as error:  # a real Ctrl-C too: it is raised again once everything is back in its place
            failure = self._found(error)
        changed = [name for name in changed_settings(settings) if name not in self.exercise.may_change]
        if torch.initial_seed() != self.trial.seed and SEED not in self.exercise.may_change:
            changed.append(SEED)
        return self._left_changed(changed[0]) if changed else failure

    def _left_changed(self, name: str) -> Failure:
        """Return the failure of an answer that changes a setting of the whole process."""
        return self._found(
            Counterexample(
                expected=tr("{name} is left as it was", name=tr(name)),
                got=tr("your code changed {name}", name=tr(name)),
                remark=tr(
                    "That holds for everything that runs afterwards, also in code that is not yours. The "
                    "check has put it back."
                ),
            )
        )

    def _found(self, found: BaseException) -> Failure:
        """Return a finding together with what was being tried."""
        words = "" if isinstance(found, Counterexample) else plain_text(found)
        return Failure(tr(requirement_of(self.requirement)), self.trial.input, found, words, self.trial.nudge)


class _Printed(io.TextIOBase):
    """Takes what an answer prints, and keeps the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = ""

    @property
    def text(self) -> str:
        """What was printed, shortened to one line."""
        return shorten(self._kept)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._kept += text[: max(0, 1000 - len(self._kept))]
        return len(text)

    def close(self) -> None:
        """Stay open: an answer that closes the output closes only this, and may go on printing."""


def _is_open(answer: Any) -> bool:
    """Tell whether an answer is still the stub's: None, ``...``, or a collection of nothing else."""
    if type(answer) is dict:  # not isinstance: that would ask the answer, which may raise
        answer = tuple(answer.values())
    if type(answer) in (list, tuple):
        return len(answer) > 0 and all(item is None or item is ... for item in answer)
    return answer is None or answer is ...
