"""Checkpoints on full disks: the old file stays."""

import concurrent.futures
import contextlib
import ctypes
import errno
import functools
import multiprocessing
import os
from pathlib import Path

import pytest

from d2lcompute.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from tests.checkpoints.fire.interruptions import LINUX, forking, save_in_place
from tests.checkpoints.nets import (
    linear,
    small,
)


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_the_old_file_when_the_system_refuses_more(name, tmp_path):
    """The same with a limit that the system itself enforces, for both formats."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    path = tmp_path / name
    save_checkpoint(path, linear(9, 9), durable=False)
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)

    for limit in range(0, len(before), 97):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(CheckpointError, match=r"could not be written .*File too large"):
                save_checkpoint(path, linear(9, 9), durable=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == [name]


def with_small_disk(folder, kibibytes, function):
    """Run a function in a process of its own that sees a small disk at ``folder``; it is gone when the process is."""
    processes = multiprocessing.get_context("fork")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=processes) as pool:
        return pool.submit(mounted, folder, kibibytes, function).result(60)


def mounted(folder, kibibytes, function):
    """Mount a small disk that only this process sees, as root or as the root of a namespace of one's own."""
    system, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    private, own_names, own_users = 0x4000 | 0x40000, 0x20000, 0x10000000
    if system.unshare(own_names) != 0:
        if system.unshare(own_names | own_users) != 0:
            return "not permitted"
        for name, text in {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {group} 1"}.items():
            Path("/proc/self", name).write_text(text)
    system.mount(None, b"/", None, private, None)
    if system.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={kibibytes}k".encode()) != 0:
        return "not permitted"
    return function(folder)


def save_on_a_disk_that_fills(save, name, folder):
    """Save a larger net over a small one with ever more room; return what is found each time, and what was said."""
    path, filler, found, said = folder / name, folder / "filler", [], set()
    save_checkpoint(path, linear(9, 9), durable=False)
    old = path.read_bytes()
    for pages in range(9):
        path.write_bytes(old)
        filler.unlink(missing_ok=True)
        disk = os.statvfs(folder)
        filler.write_bytes(bytes((disk.f_bavail - pages) * disk.f_frsize))
        try:
            save(path, linear(60, 60))
        except Exception as error:
            said.add(str(error).partition(": ")[2].partition(" (")[0])
        found.append("old" if path.read_bytes() == old else "new" if is_whole(path) else "neither")
        found[-1] += "" if {*os.listdir(folder)} == {"filler", name} else " and a temporary file"
    return found, said


def is_whole(path):
    """Return whether the larger net loads."""
    with contextlib.suppress(CheckpointError):
        return bool(load_checkpoint(path, linear(60, 60)))
    return False


@forking
@pytest.mark.skipif(not LINUX, reason="only Linux lets a process mount a disk of its own")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_the_old_file_on_a_small_disk_that_is_full(name, tmp_path):
    """On a real disk without room the old file stays, no temporary remains, and with room the new one is saved."""
    (tmp_path / "disk").mkdir()

    safe, careless = (
        with_small_disk(tmp_path / "disk", 64, functools.partial(save_on_a_disk_that_fills, save, name))
        for save in (save_checkpoint, save_in_place)
    )
    if "not permitted" in (safe, careless):
        pytest.skip("this system lets us mount no disk")

    assert safe == (["old"] * safe[0].count("old") + ["new"] * safe[0].count("new"), {"could not be written"})
    assert safe[0].count("old") * safe[0].count("new") > 0
    assert "neither" in careless[0]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt(), MemoryError()])
@pytest.mark.parametrize("place", ["os.fsync", "os.replace", "torch.save"])
def test_save_checkpoint_cleans_up_wherever_it_fails(place, error, saved, monkeypatch):
    """A failure in any step, or Ctrl-C, leaves the old file and no temporary."""
    path, before = saved[0], saved[0].read_bytes()

    def fail(*arguments):
        raise error

    monkeypatch.setattr(place, fail)
    with pytest.raises((CheckpointError, KeyboardInterrupt)) as caught:
        save_checkpoint(path, small()[0])

    assert isinstance(caught.value, KeyboardInterrupt) == isinstance(error, KeyboardInterrupt)
    assert isinstance(caught.value, KeyboardInterrupt) or caught.value.__cause__ is error
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
