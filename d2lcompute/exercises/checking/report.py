"""The words of a report: what was tried, what was expected, what came, and what to think about."""

import dis
import linecache
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import torch
import wcwidth

from ..._translation import tr
from .compare import shorten
from .trial import Counterexample

__all__ = ["CheckResult", "Failure", "is_stub_error", "not_attempted", "passed", "report"]

_LIBRARIES = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(torch.__file__).parents[1], Path(os.__file__).parent, Path(__file__).parents[2])
)
_LABEL_WIDTH = 13
_TEXT_WIDTH = 100
_MOST_CHARACTERS = 800  # of one entry: an answer may say anything, and say it at any length


@dataclass(frozen=True, repr=False)
class CheckResult:
    """What :func:`check` answers: true only when passed, and readable as it stands.

    Args:
        name: the exercise's name.
        status: ``"passed"``, ``"failed"`` or ``"not attempted"``.
        message: what the learner reads.
        remark: of the message, the known mistake or the idea to think about; empty where nothing failed.

    Example:
        >>> CheckResult("parallel_block", "passed", "✓ parallel_block: passed")
        ✓ parallel_block: passed
        >>> bool(CheckResult("parallel_block", "not attempted", "parallel_block: not attempted yet"))
        False
    """

    name: str
    status: Literal["passed", "failed", "not attempted"]
    message: str
    remark: str = ""

    def __bool__(self) -> bool:
        return self.status == "passed"

    def __repr__(self) -> str:
        return self.message


@dataclass(frozen=True)
class Failure:
    """A finding with the circumstances in which it was made.

    Args:
        requirement: the requirement that is not met, in one sentence.
        input: what was tried, in one line; empty where nothing was.
        found: the finding: a counter-example, or whatever the answer raised.
        words: what an exception says; whoever makes the failure asks it, within the time limit.
        nudge: the remark on an exception that is not a well-known one.
    """

    requirement: str
    input: str
    found: BaseException
    words: str
    nudge: str


def passed(name: str) -> CheckResult:
    """Return the result for an answer that meets every requirement."""
    words = tr('✓ {name}: passed. solution("{name}") shows one way to do it, and why it works.', name=name)
    return CheckResult(name, "passed", words)


def not_attempted(name: str) -> CheckResult:
    """Return the result for a stub; its line is fixed, since notebooks store it."""
    words = tr('{name}: not attempted yet. hint("{name}") gives a first hint.', name=name)
    return CheckResult(name, "not attempted", words)


def report(name: str, failure: Failure, printed: str) -> CheckResult:
    """Return the result for an answer that fails."""
    lines = [
        tr("✗ {name}: not yet", name=name),
        *_line(tr("requirement"), failure.requirement),
        *_line(tr("input"), failure.input),
    ]
    if isinstance(failure.found, Counterexample):
        lines += [*_line(tr("expected"), failure.found.expected), *_line(tr("got"), failure.found.got)]
        remark = failure.found.remark
    else:
        lines += [*_line(tr("got"), failure.words), *_line(tr("in"), _where(failure.found))]
        remark = _remark_on(failure.words) or failure.nudge
    lines += [
        *_line(tr("printed"), printed),
        *wcwidth.wrap(remark, _TEXT_WIDTH, initial_indent="  ", subsequent_indent="  "),
    ]
    return CheckResult(name, "failed", "\n".join(lines), remark)


def is_stub_error(error: BaseException) -> bool:
    """Tell whether an exception comes from ``raise NotImplementedError`` in the learner's own code.

    Libraries raise NotImplementedError too: PyTorch for an operation that a device lacks and for a module without
    ``forward``, a notebook for ``input`` when it runs unattended.
    """
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if not isinstance(error, NotImplementedError) or last is None:
        return False
    code = last.tb_frame.f_code
    if code.co_filename.startswith(_LIBRARIES):
        return False
    # A raise statement stands in the learner's own code; what compiled code raises passes through a call there.
    instruction = next(each for each in dis.get_instructions(code) if each.offset == last.tb_lasti)
    return instruction.opname == "RAISE_VARARGS"


def _line(label: str, text: str) -> list[str]:
    """Return the lines of one labelled entry, or none where there is nothing to say."""
    indent = " " * (_LABEL_WIDTH + 2)
    first = "  " + wcwidth.ljust(label, _LABEL_WIDTH)
    line = shorten(text, _MOST_CHARACTERS)
    return wcwidth.wrap(line, _TEXT_WIDTH, initial_indent=first, subsequent_indent=indent) if line else []


def _where(error: BaseException) -> str:
    """Return the line of the learner's code in which an exception arose, or nothing if it is not known."""
    found: TracebackType | None = None
    step = error.__traceback__
    while step is not None:
        if not step.tb_frame.f_code.co_filename.startswith(_LIBRARIES):
            found = step
        step = step.tb_next
    if found is None:
        return ""
    source = linecache.getline(found.tb_frame.f_code.co_filename, found.tb_lineno).strip()
    if not source:
        return tr("line {number} of your code", number=found.tb_lineno)
    return tr("line {number} of your code: {source}", number=found.tb_lineno, source=shorten(source, 80))


def _remark_on(words: str) -> str:
    """Return the remark on a well-known exception, or nothing."""
    return next((remark for fragment, remark in _known() if fragment in words), "")


def _known() -> tuple[tuple[str, str], ...]:
    """Return what stands in the words of well-known exceptions, and a remark on each."""
    return (
        (
            "before Module.__init__() call",
            tr("super().__init__() comes first: it makes the tables in which a module registers its parts."),
        ),
        (
            "does not require grad",
            tr("Nothing records this computation: no input was marked, or the result has lost its history on the way."),
        ),
        ("RecursionError", tr("Your code calls itself, and nothing ends it.")),
        ("SystemExit", tr("exit() ends the whole program: use return to leave a function.")),
        (
            "positional argument",
            tr("It is called as the task says: compare the arguments of your code with those of the stub."),
        ),
        (
            "unexpected keyword argument",
            tr("It is called as the task says: compare your arguments with those of the stub."),
        ),
    )
