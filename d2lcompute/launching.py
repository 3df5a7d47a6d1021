"""Launching: a function of a notebook runs in several processes, which form one group, and its results come back.

``torchrun`` starts processes of a script. ``launch`` writes that script: the worker with all that it uses from the
notebook. The processes find each other in files, and their messages stay on this computer: no port is open to others.
"""

import builtins
import dis
import inspect
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
import torch.distributed as dist

from ._translation import tr
from .devices import cpu, num_gpus, try_gpu

__all__ = ["join", "launch", "local_device"]

_STORE = "D2LCOMPUTE_LAUNCH_STORE"  # the file in which the processes of one launch find each other
_TIMEOUT = timedelta(seconds=60)


def launch(worker: Callable[[Path], Any], folder: Path | str, *, processes: int = 2, restarts: int = 0) -> list[Any]:
    """Run ``worker(folder)`` in several processes of one group; return what each returned, by rank.

    The worker and the functions that it uses are copied into ``folder``, as a script named like the worker; what they
    use of other modules is imported there. Processes share no memory: a tensor reaches them by a file in ``folder``.

    Args:
        worker: a function written in a cell or a file, with the folder as its argument. It returns what
            :func:`torch.load` loads by default: tensors, numbers, strings, and lists and dicts of them.
        folder: where the script, the results and the logs are written; it must exist.
        processes: how many processes.
        restarts: how often the launcher starts all processes again after one has failed.

    Returns:
        One result for each rank, on the CPU.

    Raises:
        TypeError: if the worker uses a value, a class or an inner function that cannot be written into a script.
        NameError: if it uses a name that is not defined yet.
        RuntimeError: if a process fails, with its traceback.

    Example:
        >>> results = launch(work, folder)  # doctest: +SKIP
    """
    folder, name = Path(folder).resolve(), getattr(worker, "__name__", "worker")
    script = folder / f"{name}.py"
    script.write_text(_script(worker), encoding="utf-8")
    for old in [*folder.glob(f"{name}-*.pt"), *folder.glob(f"{name}-*.txt"), *folder.glob(f"{name}.store-*")]:
        old.unlink()
    ran = subprocess.run(  # noqa: S603 (the program is torchrun, and the script is the caller's own)
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nnodes=1", f"--nproc-per-node={processes}"),
            *("--rdzv-backend=c10d", "--rdzv-conf=store_type=file", f"--rdzv-endpoint={folder / name}.store-launcher"),
            *("--local-addr=localhost", f"--max-restarts={restarts}", f"--log-dir={folder / 'logs'}"),
            *(str(script), str(folder)),
        ],
        env={
            **os.environ,
            **_loopback(),
            _STORE: str(folder / f"{name}.store"),
            "OMP_NUM_THREADS": "1",  # the processes share the cores
            "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # else the launcher opens a port all the same
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        failed = [path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{name}-*.txt"))]
        says = "\n".join(failed) or tr("the launcher says, at its end:") + f"\n{ran.stderr[-2000:]}"
        raise RuntimeError(
            tr(
                "{name} failed in {processes} processes (exit status {status}); {says}",
                name=name,
                processes=processes,
                status=ran.returncode,
                says=says,
            )
        )
    return [torch.load(folder / f"{name}-{rank}.pt", map_location="cpu") for rank in range(processes)]


def join() -> None:
    """Join the group of the processes that :func:`launch` started; without a launcher, make a group of one.

    Example:
        >>> join()
        >>> dist.get_rank(), dist.get_world_size()
        (0, 1)
        >>> dist.destroy_process_group()
    """
    os.environ |= _loopback()
    if _STORE not in os.environ:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
        return
    rank, size, attempt = (int(os.environ[key]) for key in ("RANK", "WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT"))
    device = local_device()
    if device.type != "cpu":
        torch.accelerator.set_device_index(device.index)
    meeting = f"{os.environ[_STORE]}-{attempt}"  # a new one for each attempt
    store = dist.FileStore(meeting, size)  # type: ignore[attr-defined]
    backend = dist.get_default_backend_for_device(device)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=_TIMEOUT)


def local_device() -> torch.device:
    """Return this process's device: its own GPU where a launcher's processes have one each, else the CPU.

    Example:
        >>> local_device()  # no launcher
        device(type='cpu')
    """
    if "LOCAL_RANK" not in os.environ or num_gpus() < int(os.environ["LOCAL_WORLD_SIZE"]):
        return cpu()
    device = try_gpu(int(os.environ["LOCAL_RANK"]))
    return cpu() if device.type == "mps" else device  # gloo sends what lies in the CPU's memory


def run_rank(worker: Callable[[Path], Any], folder: Path) -> None:
    """Be one process of a launch: join, work, save the result or the traceback, and end this process."""
    rank = os.environ["RANK"]
    status = 1
    try:
        join()
        torch.save(worker(folder), folder / f"{worker.__name__}-{rank}.pt")
        dist.destroy_process_group()
        status = 0
    except Exception:
        says = tr("rank {rank} says:", rank=rank) + f"\n{traceback.format_exc()}"
        (folder / f"{worker.__name__}-{rank}.txt").write_text(says, encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # gloo's threads outlive the group, and an interpreter that tidies up around them can abort


def _loopback() -> dict[str, str]:
    """Return what keeps gloo's messages on this computer."""
    return {"GLOO_SOCKET_IFNAME": "lo" if sys.platform == "linux" else "lo0"} if os.name == "posix" else {}


def _script(worker: Callable[[Path], Any]) -> str:
    """Return a script that runs a function, with all that the function uses."""
    heads: dict[str, str] = {}
    functions: dict[str, str] = {}
    waiting = [_copied(worker)]
    while waiting:
        function = waiting.pop()
        functions[function.__name__] = inspect.getsource(function)
        for name in _names(function.__code__):
            value = function.__globals__.get(name, builtins)
            original = getattr(builtins, name, None)
            if original and (value is builtins or getattr(value, "__wrapped__", None) is original):
                continue  # IPython wraps open
            if value is builtins:
                raise NameError(
                    tr(
                        "{function} uses {name}, which is not defined yet: run its cell first",
                        function=function.__name__,
                        name=name,
                    )
                )
            if isinstance(value, FunctionType) and value.__module__ == worker.__module__:
                if name not in functions:
                    waiting.append(_copied(value))
            else:
                heads[name] = _head(name, value, function.__name__)
    start = "import pathlib, sys\nimport d2lcompute.launching\n"
    run = f"d2lcompute.launching.run_rank({worker.__name__}, pathlib.Path(sys.argv[1]))\n"
    return "\n\n".join(["from __future__ import annotations", *heads.values(), *functions.values(), start + run])


def _copied(function: Any) -> FunctionType:
    """Return a function whose source can stand in a script."""
    if not isinstance(function, FunctionType) or not function.__qualname__.isidentifier():
        raise TypeError(
            tr("launch copies functions that a cell or a file defines with def; got {function!r}", function=function)
        )
    return function


def _names(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function's code uses, those of inner functions too."""
    yield from (each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _head(name: str, value: Any, user: str) -> str:
    """Return the line that defines a name: an import, or a constant."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    if isinstance(value, int | float | str):
        return f"{name} = {value!r}"
    module, original = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if module in sys.modules and module != "__main__" and getattr(sys.modules[module], original, None) is value:
        return f"from {module} import {original} as {name}"
    raise TypeError(
        tr(
            "{function} uses {name}, of type {kind}, which lives in this process alone: make it inside the "
            "function, or save it in the folder and load it there",
            function=user,
            name=name,
            kind=type(value).__name__,
        )
    )
