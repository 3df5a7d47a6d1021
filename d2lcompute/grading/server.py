"""The server: a process that has imported torch and the exercises once, and forks a child for each learner.

It reads the answers of a learner a line, and writes their verdicts a line. A child is shut in, judges the answers and
ends; if one of them ends it, runs for too long or changes the checker, each is judged anew in a child of its own.
Whatever the answers do, the server's line comes within the time limit. With ``--once`` it is itself the child of a
system that cannot fork: it judges one answer and ends.
"""

import argparse
import gc
import json
import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any, TextIO

from .._translation import tr
from ..exercises.sandbox.settings import kept_settings
from . import confinement
from .confinement import LIMITS, Limits
from .judging import judge
from .verdict import PASSED, Job, Verdict

__all__ = ["arguments_for", "main", "verdicts_on"]

_MOST_BYTES = 10_000_000  # of the verdicts on a learner: reports are far shorter
_ORDINARY = {PASSED, "failed", "not attempted"}
_DONE = b"done\n"


def arguments_for(limits: Limits, *, confined: bool, once: bool = False) -> list[str]:
    """Return the command line that starts a server."""
    options = ["--limits", json.dumps(asdict(limits)), *([] if confined else ["--unconfined"]), *(["--once"] * once)]
    return [sys.executable, "-m", __name__, *options]


def main() -> int:
    """Answer each line of the standard input with one on the standard output, until the input ends."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name if __spec__ else __name__}")
    parser.add_argument("--limits", type=lambda text: Limits(**json.loads(text)), default=LIMITS)
    parser.add_argument("--unconfined", action="store_true")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    jobs, answers = _taken_over()
    if options.once:
        secret, text = jobs.readline().strip(), jobs.readline()
        print(
            secret + judge(Job.from_json(text), seconds=options.limits.seconds / 3).to_json(), file=answers, flush=True
        )
        return 0
    gc.freeze()  # so that a child's collections leave the parent's pages shared
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    for line in jobs:
        own = {jobs.fileno(), answers.fileno()}
        jobs_of_one = [Job.from_json(text) for text in json.loads(line)]
        verdicts = verdicts_on(jobs_of_one, options.limits, confined=not options.unconfined, to_close=own)
        print(json.dumps([verdict.to_json() for verdict in verdicts]), file=answers, flush=True)
    return 0


def _taken_over() -> tuple[TextIO, TextIO]:
    """Return the standard input and output, and put nothing in their places: what an answer prints goes nowhere."""
    jobs, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return jobs, answers


def verdicts_on(
    jobs: Sequence[Job], limits: Limits, *, confined: bool, to_close: Collection[int] = ()
) -> list[Verdict]:
    """Judge the answers of one learner: all in one child of this process, and each in one of its own if one is odd.

    Args:
        jobs: the answers.
        limits: what each may use.
        confined: shut the children in; else only limit them.
        to_close: file descriptors that are not a child's business.
    """
    options: Any = {"confined": confined, "to_close": to_close}
    if len(jobs) > 1:
        longer = replace(limits, seconds=limits.seconds * len(jobs), cpu_seconds=limits.cpu_seconds * len(jobs))
        said, _, _ = _asked(jobs, longer, limits.seconds / 3, **options)
        if said is not None and all(verdict.status in _ORDINARY for verdict in said):
            return said
    return [_alone(job, limits, **options) for job in jobs]


def _alone(job: Job, limits: Limits, *, confined: bool, to_close: Collection[int]) -> Verdict:
    """Judge one answer in a child of its own."""
    said, in_time, status = _asked([job], limits, limits.seconds / 3, confined=confined, to_close=to_close)
    if said is not None:
        return said[0]
    if not in_time or _signal_of(status) == signal.SIGXCPU:
        return job.without("too long", tr("the code was stopped after {seconds:g} s", seconds=limits.seconds))
    return job.without("died", tr("the code ended its process ({how})", how=_ending(status)))


def _asked(
    jobs: Sequence[Job], limits: Limits, seconds: float, *, confined: bool, to_close: Collection[int]
) -> tuple[list[Verdict] | None, bool, int]:
    """Fork a child for some answers; return its verdicts, None if there are none, whether it was in time, and its end.

    The child's word counts only with a secret that it is sent when it says that the checks are done: what an answer
    writes into a pipe that it finds is no verdict.
    """
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if not child:
        for descriptor in (from_child, to_child, *to_close):
            os.close(descriptor)
        _be_the_child(jobs, limits, seconds, confined, from_parent, to_parent)
    os.close(to_parent)
    os.close(from_parent)
    try:
        said, in_time = _conversation(from_child, to_child, time.monotonic() + limits.seconds)
    finally:
        os.close(from_child)
        os.close(to_child)
        status = _ended(child)
    with suppress(ValueError, TypeError):
        verdicts = [Verdict.from_json(text) for text in json.loads(said or "")]
        return (verdicts if len(verdicts) == len(jobs) else None), in_time, status
    return None, in_time, status


def _be_the_child(
    jobs: Sequence[Job], limits: Limits, seconds: float, confined: bool, from_parent: int, to_parent: int
) -> None:
    """Judge, say that it is done, and repeat the secret before the verdicts; never return."""
    code = 1
    try:
        os.setsid()
        confinement.die_with_parent()
        if confined:
            confinement.shut_in(limits)
        else:
            confinement.limit(limits)
        verdicts = [_judged(job, seconds).to_json() for job in jobs]
        os.write(to_parent, _DONE)
        secret = os.read(from_parent, 64)
        _write_all(to_parent, secret + json.dumps(verdicts).encode())
        code = 0
    finally:
        os._exit(code)


def _judged(job: Job, seconds: float) -> Verdict:
    """Judge one answer, and leave this process as it was for the next."""
    try:
        with kept_settings():
            return judge(job, seconds=seconds)
    except MemoryError:
        return job.without("too large", tr("the code takes more memory than it may"))


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it: a pipe takes a part at a time."""
    while data:
        data = data[os.write(descriptor, data) :]


def _conversation(from_child: int, to_child: int, until: float) -> tuple[str | None, bool]:
    """Return the child's verdict, None if there is none, and whether the child spoke or ended in time."""
    heard, secret = b"", b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([from_child], [], [], left)[0]:
            break
        part = os.read(from_child, 65536)
        if not part:
            known = secret and heard.startswith(secret)
            return (heard.removeprefix(secret).decode("utf-8", "replace") if known else None), True
        heard = (heard + part)[:_MOST_BYTES]
        if not secret and heard.startswith(_DONE):
            secret, heard = secrets.token_hex(16).encode(), heard.removeprefix(_DONE)
            with suppress(OSError):  # it ended in between
                os.write(to_child, secret)
    return None, False


def _ended(child: int) -> int:
    """End a child and all that it started, and return how it ended: an exit status, or minus a signal's number."""
    for end in (os.killpg, os.kill):
        with suppress(OSError):
            end(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _signal_of(status: int) -> int:
    """Return the signal that ended a process, 0 if none did; a shut-in child's status is passed on as 256 - signal."""
    return -status if status < 0 else 256 - status if status > 128 else 0


def _ending(status: int) -> str:
    """Say how a process ended."""
    with suppress(ValueError):
        if number := _signal_of(status):
            return signal.Signals(number).name
    return f"exit status {status}"


if __name__ == "__main__":
    sys.exit(main())
