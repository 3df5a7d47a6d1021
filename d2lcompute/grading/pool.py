"""The pool: servers on this machine, and the work spread over them."""

import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from .confinement import LIMITS
from .verdict import Job, Verdict

__all__ = ["Server", "judged_here"]

_PATIENCE_SECONDS = 20.0  # beyond an answer's own time: for the server's start, and for a machine that is busy
_TRIES = 2


class Server:
    """A server process, which is started again where an answer has ended it.

    Args:
        confined: shut answers in.
    """

    def __init__(self, *, confined: bool = True) -> None:
        self._command = [sys.executable, "-m", "d2lcompute.grading.server", *([] if confined else ["--unconfined"])]
        self._process: subprocess.Popen[bytes] | None = None

    def judge(self, job: Job) -> Verdict:
        """Return the verdict on an answer; one that ends the server twice has its verdict by that."""
        for _ in range(_TRIES):
            with suppress(OSError, EOFError, TimeoutError, ValueError, TypeError):
                return self._asked(job)
            self.close()
        return Verdict("died", f"✗ {job.exercise}: the code ended the process that checks it, twice")

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(OSError):
                        pipe.close()

    def _asked(self, job: Job) -> Verdict:
        """Ask the server."""
        if self._process is None:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "D2LCOMPUTE_DEVICE": "cpu", "MPLBACKEND": "agg"}
            self._process = subprocess.Popen(  # noqa: S603  (our own command)
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
            )
            self._line(time.monotonic() + 10 * _PATIENCE_SECONDS)  # it says that it is ready
        if self._process.stdin is None:
            raise EOFError
        self._process.stdin.write(job.to_json().encode() + b"\n")
        self._process.stdin.flush()
        return Verdict.from_json(self._line(time.monotonic() + LIMITS.seconds + _PATIENCE_SECONDS))

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


def judged_here(jobs: Iterable[Job], *, workers: int, confined: bool = True) -> Iterator[tuple[Job, Verdict]]:
    """Yield each answer with its verdict as it comes.

    Args:
        jobs: the answers; they are taken as they are needed.
        workers: how many servers.
        confined: shut answers in.
    """
    done: queue.Queue[tuple[Job, Verdict] | None] = queue.Queue(maxsize=4 * workers)
    waiting, lock, stopped = iter(jobs), threading.Lock(), threading.Event()

    def work(server: Server) -> None:
        try:
            while not stopped.is_set():
                with lock:
                    job = next(waiting, None)
                if job is None:
                    return
                done.put((job, server.judge(job)))
        finally:
            server.close()
            done.put(None)

    servers = [Server(confined=confined) for _ in range(workers)]
    threads = [threading.Thread(target=work, args=(server,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        left = workers
        while left:
            found = done.get()
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        stopped.set()
        for server in servers:
            server.close()
