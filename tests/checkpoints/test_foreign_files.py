"""What a file is that is no checkpoint, and what to do about it."""

import errno
import gzip
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from d2lcompute.checkpoints import files, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import everything, message_of, small


def test_load_checkpoint_says_what_the_file_should_have_been(tmp_path):
    """A file of something else is told by what was expected, with what to do."""
    path = tmp_path / "net.safetensors"
    path.write_text("a letter, and rather a long one")

    message = message_of(load_checkpoint, path, nn.Linear(1, 1))

    assert message.startswith(f"{path}: expected a safetensors file, found one that is damaged or something else (")
    assert message.endswith("); check the path, or load an older one")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = "\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_text(POINTER), "found a Git LFS pointer, which stands for the file; run git lfs pull"),
        (lambda path: path.write_text(PAGE), "found a web page; the download brought a page in place of the file;"),
        (lambda path: torch.save({}, path), "found a zip archive, as save_checkpoint and torch.save write it; give"),
    ],
    ids=["LFS", "HTML", "zip"],
)
def test_load_checkpoint_says_what_is_no_safetensors_file(write, words, tmp_path):
    """The same words are there for a name that ends in .safetensors."""
    path = tmp_path / "net.safetensors"
    write(path)

    message = message_of(load_checkpoint, path, nn.Linear(1, 1))

    assert message.startswith(f"{path}: expected a safetensors file, {words}")


def legacy(path):
    """Save as torch did until 2020."""
    torch.save({"a": torch.ones(1)}, path, _use_new_zipfile_serialization=False)


def notes(path):
    """Write a zip archive of another kind."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("folder/notes.txt", "nothing to load")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (
            lambda path: path.write_text("epoch,loss"),
            "is no checkpoint: expected a zip archive, found b'epoc'; check th",
        ),
        (Path.touch, "is empty; check the path, or load an older one"),
        (legacy, "is no checkpoint: it is a file in torch's format before 1.6; read it with torch.load(path, weights_"),
        (lambda path: path.write_text(POINTER), "it is a Git LFS pointer, which stands for the file; run git lfs pull"),
        (
            lambda path: path.write_text(PAGE),
            "it is a web page; the download brought a page in place of the file; open",
        ),
        (lambda path: path.write_bytes(pickle.dumps({"a": [1]})), "it is a pickle; save the tensors anew with save_ch"),
        (lambda path: path.write_bytes(gzip.compress(bytes(99))), "it is compressed with gzip; unpack it first"),
        (
            lambda path: safetensors.torch.save_file({"a": torch.ones(1)}, path),
            "it is a file in the safetensors format; give it a name that ends in .safetensors",
        ),
        (notes, "expected a file of save_checkpoint, found one that is damaged or something else (RuntimeError: "),
        (
            lambda path: zipfile.ZipFile(path, "w").close(),
            "found one that is damaged or something else (RuntimeError: ",
        ),
        (
            lambda path: torch.save(nn.Linear(1, 1).state_dict(), path),
            "expected a file of save_checkpoint, found a bare state_dict of 2 tensors (model.load_state_dict takes it)",
        ),
        (
            lambda path: torch.save({"epoch": 1, "net": {}}, path),
            "found a dict with the keys ['epoch', 'net']; read it with torch.load(path, weights_only=True), and save",
        ),
        (lambda path: torch.save([torch.ones(1)], path), "expected a file of save_checkpoint, found a list; read it"),
        (lambda path: torch.save(torch.ones(1), path), "expected a file of save_checkpoint, found a Tensor; read it"),
        (lambda path: torch.save({}, path), "expected a file of save_checkpoint, found a dict with the keys []; read"),
        (
            lambda path: torch.save(nn.Linear(1, 1), path),
            "expected tensors and plain values, found torch.nn.modules.linear.Linear, and loading that can run any "
            "code. Nothing was run. If you saved a whole model yourself, save it again with save_checkpoint; otherwise "
            "do not load it",
        ),
    ],
    ids=[
        *("text", "empty", "legacy", "LFS", "HTML", "pickle", "gzip", "safetensors", "zip", "empty zip", "state_dict"),
        *("dict", "list", "tensor", "empty dict", "module"),
    ],
)
def test_load_checkpoint_says_what_a_file_is_instead(write, words, tmp_path):
    """A file that is no checkpoint is described, each kind in its own words."""
    path, net = tmp_path / "file.pt", nn.Linear(1, 1)
    write(path)
    before = everything(net)

    message = message_of(load_checkpoint, path, net)

    assert message.startswith(f"{path}: ")
    assert words in message
    assert everything(net) == before


def test_load_checkpoint_reports_a_file_that_cannot_be_read(saved, monkeypatch):
    """A file that the system does not hand out is a CheckpointError with the system's reason."""

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "open", refuse, raising=False)

    message = message_of(load_checkpoint, saved[0], small()[0])

    assert "(PermissionError: [Errno 13] Permission denied)" in message


def short_of_memory():
    """Return errors as they come for want of memory: Python's, the system's, and those of torch."""
    return [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("unable to mmap 400 bytes from file <net.pt>: Cannot allocate memory (12)"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tri"
        ),
        RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried to"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    ]


@pytest.mark.parametrize("error", short_of_memory(), ids=repr)
def test_checkpoints_say_that_memory_is_short(error, saved, monkeypatch):
    """Whatever says that memory is short, the file is not called damaged, nor the disk full; nothing changes."""
    net, optimizer = small()
    before, content = everything(net, optimizer), saved[0].read_bytes()

    def fail(*arguments, **options):
        raise error

    def message_if_failing(place, call):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            return message_of(call, saved[0], net, optimizer)

    assert "could not be read, since memory is short (" in message_if_failing("torch.load", load_checkpoint)
    assert "could not be put in place, since memory is short: " in message_if_failing(
        "torch._foreach_copy_", load_checkpoint
    )
    assert message_if_failing("torch.save", save_checkpoint).endswith(
        "what was there before is unchanged. Free some memory"
    )
    assert everything(net, optimizer) == before
    assert saved[0].read_bytes() == content


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how much a process has, and limits it")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_load_checkpoint_says_that_the_systems_memory_is_short(name, tmp_path):
    """Where the system itself allows no more memory, a whole file is not called damaged."""
    path = tmp_path / name
    save_checkpoint(path, nn.Linear(4096, 4096, bias=False), durable=False)

    done = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.stdout.startswith(f"{path}: could not be read, since memory is short ("), done.stdout + done.stderr


LIMITED = """
import resource, sys
from pathlib import Path
from torch import nn
from d2lcompute.checkpoints import CheckpointError, load_checkpoint

net = nn.Linear(4096, 4096, bias=False)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**25, resource.RLIM_INFINITY))
try:
    load_checkpoint(sys.argv[1], net)
except CheckpointError as error:
    print(error)
"""
