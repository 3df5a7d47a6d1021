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
from benchmarks.targets import MODEL_BYTES
from d2lcompute import load_checkpoint, save_checkpoint

ROUNDS: dict[str, dict[str, Any]] = {
    "1 MB": {"rounds": 61},
    "100 MB": {"rounds": 9},
    "1 GB": {"rounds": 5, "warmup_rounds": 0},
}
Contest = Callable[..., None]
Name = Callable[[str], Path]


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
def file(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that names a file; the files, which may be large, go when the benchmark is over."""
    yield lambda name: tmp_path / name
    remove(tmp_path)


@pytest.fixture
def contest(benchmark: Any, record: Record, size: str) -> Callable[..., None]:
    """Return a function that compares two contestants and records them under a name and the size."""

    def run(name: str, ours: Callable[[], object], theirs: Callable[[], object], **options: Any) -> None:
        comparison = compare(benchmark, ours, theirs, **ROUNDS[size], **options)
        record(f"{name} {size}", comparison.ratio, str(comparison))

    return run


def remove(folder: Path) -> None:
    """Remove the files in a folder, and wait for the disk."""
    for file in folder.iterdir():
        file.unlink()
    settle()


def settle() -> None:
    """Wait until what was written is on the disk, so that no round pays for the one before it."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def bench_save(contest: Contest, nets: list[nn.Module], file: Name, tmp_path: Path) -> None:
    """Save under a name that is not there yet."""
    contest(
        "save",
        lambda: save_checkpoint(file("ours.pt"), nets[0], durable=False),
        lambda: torch.save(nets[0].state_dict(), file("theirs.pt")),
        before=lambda: remove(tmp_path),
    )


def bench_overwrite(contest: Contest, nets: list[nn.Module], file: Name) -> None:
    """Save over the file that was saved before."""
    for name in ("ours.pt", "theirs.pt"):
        torch.save(nets[0].state_dict(), file(name))

    contest(
        "overwrite",
        lambda: save_checkpoint(file("ours.pt"), nets[0], durable=False),
        lambda: torch.save(nets[0].state_dict(), file("theirs.pt")),
        before=settle,
    )


def bench_durable(contest: Contest, nets: list[nn.Module], file: Name) -> None:
    """Save with and without waiting for the disk."""
    contest(
        "durable",
        lambda: save_checkpoint(file("durable.pt"), nets[0]),
        lambda: save_checkpoint(file("quick.pt"), nets[0], durable=False),
        before=settle,
    )


def bench_load(contest: Contest, nets: list[nn.Module], file: Name) -> None:
    """Load into a model that is there, without checksums, as torch does."""
    save_checkpoint(file("ours.pt"), nets[0])
    torch.save(nets[0].state_dict(), file("theirs.pt"))

    contest(
        "load",
        lambda: load_checkpoint(file("ours.pt"), nets[1], verify=False),
        lambda: nets[1].load_state_dict(torch.load(file("theirs.pt"), weights_only=True)),
    )


def bench_verify(contest: Contest, nets: list[nn.Module], file: Name) -> None:
    """Load with and without comparing checksums."""
    save_checkpoint(file("ours.pt"), nets[0])

    contest(
        "verify",
        lambda: load_checkpoint(file("ours.pt"), nets[1]),
        lambda: load_checkpoint(file("ours.pt"), nets[1], verify=False),
    )


def bench_save_safetensors(contest: Contest, nets: list[nn.Module], file: Name, tmp_path: Path) -> None:
    """Save tensors alone, for other programs."""
    contest(
        "save safetensors",
        lambda: save_checkpoint(file("ours.safetensors"), nets[0], durable=False),
        lambda: safetensors.torch.save_model(nets[0], str(file("theirs.safetensors"))),
        before=lambda: remove(tmp_path),
    )


def bench_load_safetensors(contest: Contest, nets: list[nn.Module], file: Name) -> None:
    """Load tensors alone."""
    save_checkpoint(file("ours.safetensors"), nets[0])

    contest(
        "load safetensors",
        lambda: load_checkpoint(file("ours.safetensors"), nets[1]),
        lambda: safetensors.torch.load_model(nets[1], file("ours.safetensors")),
    )


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
