"""The server: a process that has imported torch and the exercises once, and forks a child for each answer.

It reads a job a line, and writes a verdict a line. A child is shut in, judges its answer and ends; whatever the answer
does, the server's line comes within the time limit.
"""

import gc
import json
import os
import secrets
import select
import signal
import sys
import time
from contextlib import suppress

from . import confinement
from .confinement import LIMITS, Limits
from .judging import judge
from .verdict import Job, Verdict

__all__ = ["main", "verdict_on"]

_MOST_BYTES = 100_000  # of a verdict: reports are far shorter
_ENOUGH_MEMORY_SIGNALS = {signal.SIGKILL, signal.SIGBUS}


def main() -> int:
    """Answer each line of the standard input with one on the standard output, until the input ends."""
    confined = "--unconfined" not in sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)  # what an answer prints goes nowhere, by whatever way
    os.dup2(nothing, 2)
    gc.freeze()  # so that a child's collections leave the parent's pages shared
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    with os.fdopen(os.dup(0), encoding="utf-8") as jobs:
        os.dup2(nothing, 0)
        kept = {jobs.fileno(), answers.fileno()}
        for line in jobs:
            verdict = verdict_on(Job.from_json(line), LIMITS, confined=confined, to_close=kept)
            print(verdict.to_json(), file=answers, flush=True)
    return 0


def verdict_on(job: Job, limits: Limits, *, confined: bool, to_close: set[int] = frozenset()) -> Verdict:  # type: ignore[assignment]
    """Judge an answer in a child of this process.

    The child's word counts only with a secret that it is sent when it says that the checks are done: what an answer
    writes into a pipe that it finds is no verdict.

    Args:
        job: the answer.
        limits: what it may use.
        confined: shut the child in; else only limit it.
        to_close: file descriptors that are not the child's business.
    """
    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    child = os.fork()
    if not child:
        os.close(from_child)
        os.close(to_child)
        for descriptor in to_close:
            os.close(descriptor)
        _be_the_child(job, limits, confined, from_parent, to_parent)
    os.close(to_parent)
    os.close(from_parent)
    try:
        said, in_time = _conversation(from_child, to_child, time.monotonic() + limits.seconds)
    finally:
        os.close(from_child)
        os.close(to_child)
        status = _ended(child)
    if said is not None:
        with suppress(ValueError, TypeError):
            return Verdict.from_json(said)
    if not in_time or status == -signal.SIGXCPU or status == 256 - signal.SIGXCPU:
        return Verdict("too long", f"✗ {job.exercise}: no result after {limits.seconds:g} s; the code was stopped")
    return Verdict("died", f"✗ {job.exercise}: the process ended without a result ({_ending(status)})")


def _be_the_child(job: Job, limits: Limits, confined: bool, from_parent: int, to_parent: int) -> None:
    """Judge, say that it is done, and repeat the secret before the verdict; never return."""
    code = 1
    try:
        os.setsid()
        if confined:
            confinement.shut_in(limits)
        else:
            confinement.limit(limits)
        with suppress(OSError):
            os.chdir("/")
        try:
            verdict = judge(job)
        except MemoryError:
            verdict = Verdict("too large", f"✗ {job.exercise}: the code needs more memory than it may take")
        os.write(to_parent, b"done\n")
        secret = os.read(from_parent, 64)
        os.write(to_parent, secret + verdict.to_json().encode()[:_MOST_BYTES])
        code = 0
    finally:
        os._exit(code)


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
        heard = (heard + part)[: _MOST_BYTES + 100]
        if not secret and heard.startswith(b"done\n"):
            secret, heard = secrets.token_hex(16).encode(), heard.removeprefix(b"done\n")
            with suppress(OSError):  # it ended in between
                os.write(to_child, secret)
    return None, False


def _ended(child: int) -> int:
    """End a child and all that it started, and return how it ended: an exit status, or minus a signal's number."""
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)
    with suppress(OSError):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _ending(status: int) -> str:
    """Say how a process ended."""
    number = -status if status < 0 else 256 - status if status > 128 else 0
    with suppress(ValueError):
        return signal.Signals(number).name if number else f"exit status {status}"
    return f"exit status {status}"


if __name__ == "__main__":
    sys.exit(main())
