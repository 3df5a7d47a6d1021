"""The cluster: the same servers, started by the workers of an existing dask.distributed cluster."""

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from distributed import Client, KilledWorker, as_completed, get_worker

from .confinement import confined_here
from .pool import new_server
from .verdict import Job, Verdict

__all__ = ["judged_on"]

_PATIENCE_SECONDS = 10
_AHEAD = 4  # answers on their way for each thread of the cluster: enough to keep it busy, few enough to stay small


def judged_on(address: str, jobs: Iterable[Job]) -> Iterator[tuple[Job, Verdict]]:
    """Yield each answer with its verdict as it comes from a cluster.

    Answers travel as data. What a lost worker had is done again by another; an answer that ends its worker twice has
    its verdict by that.

    Args:
        address: the scheduler's, such as ``"tcp://127.0.0.1:8786"``.
        jobs: the answers; they are taken as they are needed.

    Raises:
        ValueError: if no scheduler answers there, or has no workers.
    """
    try:
        client = Client(address, timeout=_PATIENCE_SECONDS, set_as_default=False)
    except OSError as error:
        raise ValueError(f"scheduler: no dask scheduler answers at {address}") from error
    with client, client.as_current():
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
        except TimeoutError as error:
            raise ValueError(f"scheduler: {address} has no workers") from error
        threads = sum(client.nthreads().values())
        waiting = iter(jobs)
        sent: dict[str, Job] = {}
        running = as_completed(raise_errors=False)
        for job in _some(waiting, _AHEAD * threads):
            running.add(_submit(client, job, sent))
        for future in running:
            job = sent.pop(str(future.key))
            for more in _some(waiting, 1):
                running.add(_submit(client, more, sent))
            yield job, _verdict(future, job)


def _some(jobs: Iterator[Job], count: int) -> Iterator[Job]:
    """Yield the next of some jobs."""
    for _, job in zip(range(count), jobs, strict=False):
        yield job


def _submit(client: Client, job: Job, sent: dict[str, Job]) -> Any:
    """Send an answer to the cluster."""
    future = client.submit(_judged_by_worker, job.to_json(), key=f"answer-{job.digest}", pure=False)
    sent[str(future.key)] = job
    return future


def _judged_by_worker(text: str) -> str:
    """Judge, in a worker: each of its threads has a server, which lives as long as the worker."""
    worker = get_worker()
    servers = vars(worker).setdefault("d2lcompute_servers", {})
    key = os.getpid(), threading.get_ident()
    if key not in servers:
        servers[key] = new_server(confined=confined_here())
    return servers[key].judge(Job.from_json(text)).to_json()


def _verdict(future: Any, job: Job) -> Verdict:
    """Return what came of an answer."""
    error = future.exception()
    if error is None:
        return Verdict.from_json(future.result())
    if isinstance(error, KilledWorker):
        return Verdict("died", f"✗ {job.exercise}: the code ended the workers that checked it")
    raise error
