"""Judging: in the process of a learner, run an answer and check it, and see whether it has changed the checker."""

import hashlib
import linecache
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .._translation import tr
from ..exercises.checking.compare import plain_text
from ..exercises.checking.examine import LIMIT_SECONDS, examine
from ..exercises.registry import find
from ..exercises.sandbox.stop import TimeIsUp, run_within
from .program import Cell, Program, program_of
from .verdict import Job, Verdict

__all__ = ["judge"]


def judge(job: Job, *, seconds: float = LIMIT_SECONDS) -> Verdict:
    """Run an answer and check it; what the answer raises is part of the verdict.

    Args:
        job: the answer.
        seconds: how long its code may run, and then how long its check.
    """
    program = _chosen(job.notebooks, job.exercise, job.whole)
    if program is None:
        return Verdict("not attempted")
    exercise = find(job.exercise)
    before = _fingerprints()
    names: dict[str, Any] = {"__name__": "__main__", "__builtins__": __builtins__}
    try:
        answer = run_within(seconds, lambda: _run(program, names, forgiving=job.whole))
    except TimeIsUp:
        return job.without("too long", tr("the code ran for more than {seconds:g} s", seconds=seconds))
    except BaseException as error:
        return _unless_changed(before, job.without("failed", tr("the code raises {error}", error=plain_text(error))))
    result = examine(exercise, answer, seed=_seed(job), limit_seconds=seconds)
    return _unless_changed(before, Verdict(result.status, result.message, result.remark))


def _chosen(notebooks: Sequence[Sequence[Cell]], exercise: str, whole: bool) -> Program | None:
    """Return the program of the last notebook in which the exercise was attempted."""
    programs = (program_of(cells, exercise, whole=whole) for cells in reversed(notebooks))
    return next((program for program in programs if program is not None), None)


def _run(program: Program, names: dict[str, Any], *, forgiving: bool) -> Any:
    """Run a program in these names and return the answer; ``forgiving`` of what is raised before the answer's cell."""
    *before, last = program.sources
    for number, source in enumerate(before):
        try:
            exec(_compiled(source, f"<cell {number}>"), names)  # noqa: S102  (that is what this process is for)
        except BaseException:
            if not forgiving:
                raise
    exec(_compiled(last, f"<{program.exercise}>"), names)  # noqa: S102
    return eval(program.answer, names)  # noqa: S307


def _compiled(source: str, name: str) -> types.CodeType:
    """Compile a source, and keep its lines, so that a report can show the one at fault."""
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return compile(source, name, "exec")


def _seed(job: Job) -> int:
    """Return the seed of an answer's trials: the same answer is tried on the same inputs, on every machine."""
    return int.from_bytes(hashlib.sha256(job.digest.encode()).digest()[:6], "big")


def _unless_changed(before: dict[str, int], verdict: Verdict) -> Verdict:
    """Return the verdict, unless the answer has changed what it was checked with."""
    after = _fingerprints()
    changed = sorted(name for name, identity in before.items() if after.get(name) != identity)
    if not changed:
        return verdict
    return Verdict("tampered", tr("the code changes what it is checked with: {names}", names=", ".join(changed[:3])))


def _fingerprints() -> dict[str, int]:
    """Return what tells each function and class of the checker, and of torch that it relies on, from a changed one."""
    return dict(_identities())


def _identities() -> Iterator[tuple[str, int]]:
    """Yield the name and the identity of each; of the checker's functions their code too, which can be replaced."""
    for name, module in list(sys.modules.items()):
        if name.startswith("d2lcompute.exercises") or name == "torch.testing":
            for key, value in list(vars(module).items()):
                if key.startswith("__"):
                    continue
                yield f"{name}.{key}", id(value)
                if isinstance(value, types.FunctionType):
                    yield f"{name}.{key}.__code__", id(value.__code__)
                elif isinstance(value, type):
                    yield from ((f"{name}.{key}.{each}", id(part)) for each, part in list(vars(value).items()))
    for owner in (torch, torch.Tensor, torch.nn.Module, torch.autograd, torch.nn.functional):
        for key in ("equal", "isclose", "allclose", "all", "any", "__eq__", "grad", "backward", "__call__"):
            if key in vars(owner):
                yield f"{owner.__name__}.{key}", id(vars(owner)[key])
