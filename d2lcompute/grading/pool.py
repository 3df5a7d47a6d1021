"""The pool: servers on this machine, and the work spread over them."""

import json
import os
import queue
import secrets
import select
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

from .._translation import language, tr
from .confinement import LIMITS, Limits
from .server import arguments_for
from .verdict import Job, Verdict

__all__ = ["OneByOne", "Server", "judged_here", "new_server"]

_PATIENCE_SECONDS = 20.0  # beyond an answer's own time: for the server's start, and for a machine that is busy
_TRIES = 2


class Server:
    """A server process, which is started again where an answer has ended it.

    Args:
        confined: shut answers in.
        limits: what an answer may use.
    """

    def __init__(self, *, confined: bool = True, limits: Limits = LIMITS) -> None:
        self._command = arguments_for(limits, confined=confined)
        self._seconds = limits.seconds + _PATIENCE_SECONDS
        self._process: subprocess.Popen[bytes] | None = None

    def judge(self, jobs: Sequence[Job]) -> list[Verdict]:
        """Return the verdicts on a learner's answers; one that ends the server twice has its verdict by that."""
        for _ in range(_TRIES):
            with suppress(OSError, EOFError, TimeoutError, ValueError, TypeError):
                return self._asked(jobs)
            self.close()
        if len(jobs) > 1:
            return [verdict for job in jobs for verdict in self.judge([job])]
        return [job.without("died", tr("the code ended the process that checks it, twice")) for job in jobs]

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for pipe in filter(None, (process.stdin, process.stdout)):
                with suppress(OSError):
                    pipe.close()

    def _asked(self, answers: Sequence[Job]) -> list[Verdict]:
        """Ask the server."""
        if self._process is None:
            self._process = _started(self._command)
            self._line(time.monotonic() + 10 * _PATIENCE_SECONDS)  # it says that it is ready
        if (jobs := self._process.stdin) is None:
            raise EOFError
        jobs.write(json.dumps([job.to_json() for job in answers]).encode() + b"\n")
        jobs.flush()
        until = time.monotonic() + 2 * len(answers) * self._seconds
        verdicts = [Verdict.from_json(text) for text in json.loads(self._line(until))]
        if len(verdicts) != len(answers):
            raise EOFError
        return verdicts

    def _line(self, until: float) -> str:
        """Read a line; TimeoutError if it does not come, EOFError if the server has ended."""
        pipe = self._process.stdout if self._process else None
        line = b""
        while pipe and not line.endswith(b"\n"):
            if not select.select([pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TimeoutError
            part = os.read(pipe.fileno(), 65536)
            if not part:
                raise EOFError
            line += part
        return line.decode()


class OneByOne:
    """A process for each answer, where the system cannot fork: seconds for each, and a time limit alone.

    Args:
        limits: what an answer may use.
    """

    def __init__(self, *, limits: Limits = LIMITS) -> None:
        self._command = arguments_for(limits, confined=False, once=True)
        self._seconds = limits.seconds + _PATIENCE_SECONDS

    def judge(self, jobs: Sequence[Job]) -> list[Verdict]:
        """Return the verdicts on a learner's answers."""
        return [self._judge(job) for job in jobs]

    def _judge(self, job: Job) -> Verdict:
        """Return the verdict on an answer."""
        secret = secrets.token_hex(16)
        process = _started(self._command)
        try:
            said, _ = process.communicate(f"{secret}\n{job.to_json()}\n".encode(), timeout=self._seconds)
        except subprocess.TimeoutExpired:
            return job.without("too long", tr("the code was stopped after {seconds:g} s", seconds=self._seconds))
        finally:
            process.kill()
            process.wait()
        with suppress(ValueError, TypeError):
            if said.startswith(secret.encode()):
                return Verdict.from_json(said.decode().removeprefix(secret))
        how = f"exit status {process.returncode}"
        return job.without("died", tr("the code ended its process ({how})", how=how))

    def close(self) -> None:
        """Nothing is open."""


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a process that judges: on the CPU, with one thread, without windows."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "D2LCOMPUTE_DEVICE": "cpu", "MPLBACKEND": "agg"}
    environment |= {"D2LCOMPUTE_LANG": language(), "KINETO_LOG_LEVEL": "99"}
    return subprocess.Popen(  # noqa: S603  (our own command)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )


def new_server(*, confined: bool = True, limits: Limits = LIMITS) -> Server | OneByOne:
    """Return what judges answers on this system."""
    return Server(confined=confined, limits=limits) if hasattr(os, "fork") else OneByOne(limits=limits)


def judged_here(
    jobs: Iterable[Sequence[Job]], *, workers: int, confined: bool = True, limits: Limits = LIMITS
) -> Iterator[tuple[Job, Verdict]]:
    """Yield each answer with its verdict as it comes.

    Args:
        jobs: the answers, a learner's together; they are taken as they are needed.
        workers: how many servers.
        confined: shut answers in.
        limits: what an answer may use.
    """
    done: queue.Queue[tuple[Job, Verdict] | BaseException | None] = queue.Queue(maxsize=4 * workers)
    waiting, lock, stopped = iter(jobs), threading.Lock(), threading.Event()

    def work(server: Server | OneByOne) -> None:
        try:
            while not stopped.is_set():
                with lock:
                    of_one = next(waiting, None)
                if of_one is None:
                    return
                for found in zip(of_one, server.judge(of_one), strict=True):
                    done.put(found)
        except BaseException as error:  # of the jobs: a submission that cannot be read, say
            done.put(error)
        finally:
            server.close()
            done.put(None)

    servers = [new_server(confined=confined, limits=limits) for _ in range(workers)]
    threads = [threading.Thread(target=work, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        left = workers
        while left:
            found = done.get()
            if found is None:
                left -= 1
            elif isinstance(found, BaseException):
                raise found
            else:
                yield found
    finally:
        stopped.set()
        for server in servers:
            server.close()
