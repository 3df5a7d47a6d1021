"""What a checkpoint costs beside bare `torch.save`, `torch.load` and safetensors, in time and in memory."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import safetensors.torch
import torch
from torch import nn

from benchmarks.comparing import compare
from benchmarks.conftest import Record
from benchmarks.lines import MODEL_BYTES
from d2lcompute import load_checkpoint, save_checkpoint

ROUNDS = {"1 MB": {"rounds": 61}, "100 MB": {"rounds": 9}, "1 GB": {"rounds": 5, "warmup_rounds": 0}}


def model(nbytes: int) -> nn.Module:
    """Return a net of four equal layers whose parameters take about so many bytes."""
    width = int((nbytes / 16) ** 0.5)
    net = nn.Sequential(*(nn.Linear(width, width, device="meta") for _ in range(4))).to_empty(device="cpu")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.arange(parameter.numel()).view_as(parameter))
    return net


@pytest.fixture(scope="module", params=MODEL_BYTES)
def size(request: pytest.FixtureRequest) -> str:
    """The size that a benchmark runs with; all benchmarks of one size share its models."""
    return request.param


@pytest.fixture(scope="module")
def nets(size: str) -> list[nn.Module]:
    """A model to save and one to load into."""
    return [model(MODEL_BYTES[size]) for _ in range(2)]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that names a file; the files, which may be large, go when the benchmark is over."""
    yield lambda name: tmp_path / name
    for file in tmp_path.iterdir():
        file.unlink()


def remove(*files: Path) -> None:
    """Remove files that are there, and let the disk settle: a round shall not pay for the one before."""
    for file in files:
        file.unlink(missing_ok=True)
    settle()


def settle() -> None:
    """Wait until what was written is on the disk, where the system can say so."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def bench_save(benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]) -> None:
    """Save under a name that is not there yet."""
    ours, theirs, net = files("ours.pt"), files("theirs.pt"), nets[0]

    comparison = compare(
        benchmark,
        lambda: save_checkpoint(ours, net, durable=False),
        lambda: torch.save(net.state_dict(), theirs),
        **ROUNDS[size],
        before=lambda: remove(ours, theirs),
    )
    record(f"save {size}", comparison.ratio, str(comparison))


def bench_overwrite(
    benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]
) -> None:
    """Save over the file that was saved before."""
    ours, theirs, net = files("ours.pt"), files("theirs.pt"), nets[0]

    comparison = compare(
        benchmark,
        lambda: save_checkpoint(ours, net, durable=False),
        lambda: torch.save(net.state_dict(), theirs),
        **ROUNDS[size],
        before=settle,
    )
    record(f"overwrite {size}", comparison.ratio, str(comparison))


def bench_durable(
    benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]
) -> None:
    """Save with and without waiting for the disk."""
    comparison = compare(
        benchmark,
        lambda: save_checkpoint(files("durable.pt"), nets[0]),
        lambda: save_checkpoint(files("quick.pt"), nets[0], durable=False),
        **ROUNDS[size],
        before=settle,
    )
    record(f"durable {size}", comparison.ratio, str(comparison))


def bench_load(benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]) -> None:
    """Load into a model that is there, without checksums, as torch does."""
    ours, theirs, net = files("ours.pt"), files("theirs.pt"), nets[1]
    save_checkpoint(ours, nets[0])
    torch.save(nets[0].state_dict(), theirs)

    comparison = compare(
        benchmark,
        lambda: load_checkpoint(ours, net, verify=False),
        lambda: net.load_state_dict(torch.load(theirs, weights_only=True)),
        **ROUNDS[size],
    )
    record(f"load {size}", comparison.ratio, str(comparison))


def bench_verify(
    benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]
) -> None:
    """Load with and without comparing checksums."""
    save_checkpoint(files("ours.pt"), nets[0])

    comparison = compare(
        benchmark,
        lambda: load_checkpoint(files("ours.pt"), nets[1]),
        lambda: load_checkpoint(files("ours.pt"), nets[1], verify=False),
        **ROUNDS[size],
    )
    record(f"verify {size}", comparison.ratio, str(comparison))


def bench_safetensors(
    benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]
) -> None:
    """Save tensors alone, for other programs."""
    ours, theirs, net = files("ours.safetensors"), files("theirs.safetensors"), nets[0]

    comparison = compare(
        benchmark,
        lambda: save_checkpoint(ours, net, durable=False),
        lambda: safetensors.torch.save_model(net, str(theirs)),
        **ROUNDS[size],
        before=lambda: remove(ours, theirs),
    )
    record(f"save safetensors {size}", comparison.ratio, str(comparison))


def bench_load_safetensors(
    benchmark: Any, record: Record, nets: list[nn.Module], size: str, files: Callable[[str], Path]
) -> None:
    """Load tensors alone."""
    file, net = files("ours.safetensors"), nets[1]
    save_checkpoint(file, nets[0])

    comparison = compare(
        benchmark,
        lambda: load_checkpoint(file, net),
        lambda: safetensors.torch.load_model(net, file),
        **ROUNDS[size],
    )
    record(f"load safetensors {size}", comparison.ratio, str(comparison))


LOADING = """
import sys
import torch
from benchmarks.bench_checkpoints import model
from d2lcompute import load_checkpoint, save_checkpoint

def tell():
    print("here", flush=True)
    sys.stdin.readline()

file, nbytes, ours = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "ours"
tell()
net = model(nbytes)
tell()
load_checkpoint(file, net) if ours else net.load_state_dict(torch.load(file, weights_only=True)["model"])
tell()
"""


def bench_memory(benchmark: Any, record: Record, tmp_path: Path) -> None:
    """The memory of a process that loads a gigabyte, above what it held before it built the model."""
    nbytes, file = MODEL_BYTES["1 GB"], tmp_path / "model.pt"
    if not Path("/proc/self/status").exists():
        benchmark.pedantic(lambda: None)
        return record("memory", None, "needs Linux, which tells a process's own memory apart from mapped files")
    net = model(nbytes)
    nbytes = sum(parameter.nbytes for parameter in net.parameters())
    save_checkpoint(file, net, durable=False)
    del net

    theirs = peak_bytes(file, nbytes, "theirs") / nbytes
    ours = benchmark.pedantic(peak_bytes, args=(file, nbytes, "ours")) / nbytes
    file.unlink()
    return record("memory", ours, f"`torch.load` and `load_state_dict`: {theirs:.2f}")


def peak_bytes(file: Path, nbytes: int, who: str) -> int:
    """Return how much more memory of its own a loading process held than before it built the model."""
    command = [sys.executable, "-c", LOADING, str(file), str(nbytes), who]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:  # noqa: S603
        told, tell = process.stdout, process.stdin
        assert told
        assert tell
        assert told.readline() == b"here\n"
        empty = own_bytes(process.pid)
        for _ in range(2):  # build the model, load into it
            tell.write(b"\n")
            tell.flush()
            peak = watch(process.pid, told)
        tell.write(b"\n")
        tell.flush()
    return peak - empty


def watch(pid: int, told: IO[bytes]) -> int:
    """Return the most memory of its own that a process holds until it says that it is there."""
    answer: list[bytes] = []
    listening = threading.Thread(target=lambda: answer.append(told.readline()))
    listening.start()
    peak = 0
    while listening.is_alive():
        peak = max(peak, own_bytes(pid))
        listening.join(0.001)
    assert answer == [b"here\n"]
    return peak


def own_bytes(pid: int) -> int:
    """Return a process's anonymous memory; mapped files, which the system can drop at any time, do not count."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
