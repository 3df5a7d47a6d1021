"""What an error says of a file that is no checkpoint, of a value that cannot be kept, and of memory that is short."""

import dataclasses
import datetime
import io
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from d2lcompute import CheckpointError, load_checkpoint, save_checkpoint


def legacy():
    """Return a file in the format that torch wrote before version 1.6."""
    torch.save({"weight": torch.ones(1)}, buffer := io.BytesIO(), _use_new_zipfile_serialization=False)
    return buffer.getvalue()


FILES = {
    "git lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n",
        "a Git LFS pointer.*git lfs pull",
    ),
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page.*download the file itself again"),
    "old page": (b"<HTML><head>", "a web page"),
    "legacy": (legacy(), r"format before 1\.6: read it with torch\.load\(path, weights_only=True\)"),
    "pickle": (b"\x80\x04K\x01.", "a pickle, which can run any code"),
}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(("content", "words"), FILES.values(), ids=FILES)
def test_a_file_that_is_something_else_is_named(content, words, suffix, tmp_path):
    """Files that people take for a checkpoint are recognised, in both formats."""
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)

    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path, nn.Linear(1, 1))


@dataclasses.dataclass
class Settings:
    """Settings of a run."""

    rate: float = 0.1


VALUES = {
    "number": (np.float64(0.5), r"numpy|float64, which torch.load refuses; convert it: x\.item\(\)"),
    "array": (np.ones(2), r"ndarray, which torch.load refuses; convert it: torch\.from_numpy\(x\)"),
    "path": (pathlib.PurePosixPath("a"), r"convert it: str\(x\)"),
    "date": (datetime.datetime(2026, 1, 1), r"convert it: x\.isoformat\(\)"),
    "dataclass": (Settings(), r"convert it: dataclasses\.asdict\(x\)"),
    "module": (nn.Linear(1, 1), r"save its state_dict\(\) instead"),
}


@pytest.mark.parametrize(("value", "words"), VALUES.values(), ids=VALUES)
def test_a_value_that_cannot_be_kept_says_how_to_convert_it(value, words, tmp_path):
    """What people put into ``extra`` is refused with the line that converts it."""
    with pytest.raises(CheckpointError, match=words):
        save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), extra={"it": value})


def test_a_dtype_without_a_place_in_safetensors_is_named(tmp_path):
    """complex128 is refused by its name, and nobody is sent to look for space on the disk."""
    net = nn.Module()
    net.register_buffer("phase", torch.ones(2, dtype=torch.complex128))

    with pytest.raises(CheckpointError, match=r"found 'phase' of torch\.complex128.*ends in \.pt") as caught:
        save_checkpoint(tmp_path / "net.safetensors", net)

    assert "space" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_load_without_memory_says_so(suffix, tmp_path):
    """A load that fails for want of memory is not called damaged."""
    code = f"""
import resource, sys
import torch
from torch import nn
from d2lcompute import CheckpointError, load_checkpoint, save_checkpoint
path = {str(tmp_path / f"net{suffix}")!r}
save_checkpoint(path, nn.Linear(4000, 4000), durable=False)
other = nn.Linear(4000, 4000)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 20 * 2**20,) * 2)
try:
    load_checkpoint(path, other)
except CheckpointError as error:
    print(error)
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    assert "there is not enough memory to load it" in done.stdout, done.stdout + done.stderr
