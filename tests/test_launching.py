"""Functions that run in several processes: what is copied into their script, what comes back, what is refused."""

import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from d2lcompute import cpu, launching
from d2lcompute.launching import join, launch, local_device

talks = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="this build of torch has no gloo, so processes on the CPU cannot talk",
)

FACTOR, values = 10, torch.ones(2)
half = functools.partial(math.pow, 0.5)


def scaled(number):
    """Multiply by a constant of this module."""
    return number * FACTOR


def summed(folder):
    """Add up over all ranks."""
    mine = torch.tensor([scaled(dist.get_rank() + 1.0)], device=local_device())
    dist.all_reduce(mine)
    return {"rank": dist.get_rank(), "sum": mine.cpu(), "squares": [math.floor(number**2) for number in (1.5, 2.5)]}


def stumbling(folder):
    """Fail on rank 1."""
    if dist.get_rank() == 1:
        raise ZeroDivisionError("on purpose")
    return dist.get_rank()


def rising(folder):
    """Kill rank 1 in the first attempt."""
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0" and dist.get_rank() == 1:
        os.kill(os.getpid(), 9)
    dist.barrier()
    return int(os.environ["TORCHELASTIC_RESTART_COUNT"])


def opening(folder):
    """Use what is a builtin unless the module has another."""
    return open(folder).name


def using_a_tensor(folder):
    """Use what lives in this process alone."""
    return values + 1


def using_a_partial(folder):
    """Use what looks like a function and has no source."""
    return half(2)


def using_what_is_not_there(folder):
    """Use a name that no cell has defined."""
    return not_yet_defined(folder)  # noqa: F821


def with_an_inner_function(folder):
    """Use a helper inside an inner function."""

    def inner():
        return [scaled(number) for number in range(3)]

    return inner()


@pytest.mark.slow
@talks
def test_launch_returns_what_each_rank_returned(tmp_path):
    """Two processes run the worker with its helper, its constant and its imports; both get the sum."""
    results = launch(summed, tmp_path)

    assert [each["rank"] for each in results] == [0, 1]
    assert [each["sum"].tolist() for each in results] == [[30.0], [30.0]]
    assert results[1]["squares"] == [2, 6]


@pytest.mark.slow
@talks
def test_launch_says_what_the_failing_rank_says(tmp_path):
    """A worker's own traceback comes back, with the rank, in place of the launcher's report."""
    with pytest.raises(RuntimeError, match=r"(?s)stumbling failed in 2 processes.*rank 1 says:.*ZeroDivisionError: on"):
        launch(stumbling, tmp_path)

    assert not (tmp_path / "stumbling-1.pt").exists()


@pytest.mark.slow
@talks
def test_launch_starts_all_again_after_one_is_killed(tmp_path):
    """With one restart both ranks run a second time and meet anew; without, the launch fails."""
    assert launch(rising, tmp_path, restarts=1) == [1, 1]

    with pytest.raises(RuntimeError, match="rising failed in 2 processes"):
        launch(rising, tmp_path)


@pytest.mark.slow
@talks
def test_launch_gives_a_function_of_a_main_program_to_its_processes(tmp_path):
    """A notebook's functions belong to ``__main__``, which is another module in each process; so here."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os\nfrom d2lcompute.launching import launch\n\n\n"
        "def named(folder):\n    return [__name__, os.environ['WORLD_SIZE']]\n\n\n"
        "if __name__ == '__main__':\n    print(launch(named, '.', processes=1))\n",
        encoding="utf-8",
    )

    ran = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ran.stdout.strip() == "[['__main__', '1']]", ran.stderr


@talks
def test_join_makes_a_group_of_one_where_there_is_no_launcher(monkeypatch):
    """In a notebook the same collectives run, with one rank, on the CPU."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "")  # set by join, and put back after the test
    join()
    try:
        alone = torch.tensor([3.0], device=local_device())
        dist.all_reduce(alone)

        assert (dist.get_rank(), dist.get_world_size(), alone.item()) == (0, 1, 3)
        assert (local_device(), dist.get_backend()) == (cpu(), "gloo")
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize(
    ("count", "kind", "expected"),
    [(2, "cuda", "cuda:1"), (4, "cuda", "cuda:1"), (1, "cuda", "cpu"), (0, "cuda", "cpu"), (2, "mps", "cpu")],
)
def test_local_device_is_a_gpu_where_each_process_has_one(monkeypatch, count, kind, expected):
    """The second of two processes takes the second GPU, and the CPU where two GPUs are not there."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(launching, "num_gpus", lambda: count)
    monkeypatch.setattr(launching, "try_gpu", lambda i: torch.device(kind, i))

    assert local_device() == torch.device(expected)


def test_the_script_leaves_out_ipythons_open(monkeypatch):
    """A notebook's own ``open`` is IPython's; the processes have Python's, and a function's own ``open`` is copied."""
    monkeypatch.setitem(globals(), "open", functools.wraps(open)(lambda file: file))

    assert "open as" not in launching._script(opening)
    monkeypatch.setitem(globals(), "open", scaled)
    assert "def scaled(number)" in launching._script(opening)


def test_the_script_holds_what_an_inner_function_uses(tmp_path):
    """Names are followed into inner functions, and each helper stands there once."""
    source = launching._script(with_an_inner_function)

    assert source.count("def scaled(number)") == 1
    assert "FACTOR = 10\n" in source
    assert "import torch" not in source, "what nothing uses stays away"
    compile(source, "script.py", "exec")


@pytest.mark.parametrize(
    ("worker", "error", "says"),
    [
        (using_a_tensor, TypeError, "using_a_tensor uses values, of type Tensor, which lives in this process alone"),
        (using_a_partial, TypeError, "using_a_partial uses half, of type partial"),
        (using_what_is_not_there, NameError, "uses not_yet_defined, which is not defined yet: run its cell first"),
        (nn.Linear, TypeError, "launch copies functions that a cell or a file defines with def"),
        (lambda folder: 1, TypeError, "launch copies functions that a cell or a file defines with def"),
    ],
)
def test_launch_refuses_what_it_cannot_copy(tmp_path, worker, error, says):
    """The message names the worker and what it uses, before any process starts."""
    with pytest.raises(error, match=says):
        launch(worker, tmp_path)

    assert list(Path(tmp_path).iterdir()) == []
