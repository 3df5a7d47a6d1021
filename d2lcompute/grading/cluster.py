"""The cluster: the same servers, started by the workers of an existing dask.distributed cluster."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from distributed import Client, KilledWorker, as_completed, get_worker

from .._translation import tr
from .confinement import confined_here
from .pool import new_server
from .verdict import Job, Verdict

__all__ = ["judged_on"]

_PATIENCE_SECONDS = 10
_AHEAD = 4  # answers on their way for each thread of the cluster: enough to keep it busy, few enough to stay small


def judged_on(address: str, jobs: Iterable[Sequence[Job]]) -> Iterator[tuple[Job, Verdict]]:
    """Yield each answer with its verdict as it comes from a cluster.

    Answers travel as data. What a lost worker had is done again by another; an answer that ends its worker twice has
    its verdict by that.

    Args:
        address: the scheduler's, such as ``"tcp://127.0.0.1:8786"``.
        jobs: the answers, a learner's together; they are taken as they are needed.

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
        sent: dict[str, Sequence[Job]] = {}
        running = as_completed(raise_errors=False)
        for of_one in islice(waiting, _AHEAD * threads):
            running.add(_submit(client, of_one, sent))
        for future in running:
            of_one = sent.pop(str(future.key))
            for more in islice(waiting, 1):
                running.add(_submit(client, more, sent))
            yield from zip(of_one, _verdicts(future, of_one), strict=True)


def _submit(client: Client, of_one: Sequence[Job], sent: dict[str, Sequence[Job]]) -> Any:
    """Send a learner's answers to the cluster."""
    texts = [job.to_json() for job in of_one]
    future = client.submit(_judged_by_worker, texts, key=f"answers-{of_one[0].digest}", pure=False)
    sent[str(future.key)] = of_one
    return future


def _judged_by_worker(texts: list[str]) -> list[str]:
    """Judge, in a worker: each of its threads has a server, which lives as long as the worker."""
    worker = get_worker()
    servers = vars(worker).setdefault("d2lcompute_servers", {})
    key = os.getpid(), threading.get_ident()
    if key not in servers:
        servers[key] = new_server(confined=confined_here())
    return [verdict.to_json() for verdict in servers[key].judge([Job.from_json(text) for text in texts])]


def _verdicts(future: Any, of_one: Sequence[Job]) -> list[Verdict]:
    """Return what came of a learner's answers."""
    error = future.exception()
    if error is None:
        return [Verdict.from_json(text) for text in future.result()]
    if isinstance(error, KilledWorker):
        return [job.without("died", tr("the code ended the workers that checked it")) for job in of_one]
    raise error
