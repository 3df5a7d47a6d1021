"""Where checkpoints are saved: paths, permissions, links, and what the system refuses."""

import errno
import os
import re
import stat
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from d2lcompute.checkpoints import files, load_checkpoint, save_checkpoint
from tests.checkpoints.nets import message_of, small


def test_save_checkpoint_names_a_missing_folder(tmp_path):
    """A folder that is not there is named, with the line that creates it."""
    folder = tmp_path / "run"

    message = message_of(save_checkpoint, folder / "net.pt", nn.Linear(1, 1))

    assert message == (
        f"{folder / 'net.pt'}: there is no folder {folder}; check the path, or create it: "
        f"Path({str(folder)!r}).mkdir(parents=True)"
    )
    assert message_of(load_checkpoint, folder / "net.pt", nn.Linear(1, 1)) == message
    assert not folder.exists()


def test_save_checkpoint_refuses_a_folder(tmp_path):
    """A folder in the place of a file is named, with a path that would do."""
    message = message_of(save_checkpoint, tmp_path, nn.Linear(1, 1))

    assert message == f"{tmp_path}: is a folder; give the path of a file in it, such as {tmp_path / 'checkpoint.pt'}"
    assert message_of(load_checkpoint, tmp_path, nn.Linear(1, 1)) == message


@pytest.mark.parametrize("name", ["none.pt", "none.safetensors"])
def test_load_checkpoint_names_a_missing_file(name, tmp_path):
    """A file that is not there is named."""
    message = message_of(load_checkpoint, tmp_path / name, nn.Linear(1, 1))

    assert message == f"{tmp_path / name}: there is no such file in the folder; check its name"


def test_save_checkpoint_reports_a_folder_that_takes_no_files(tmp_path, monkeypatch):
    """Where not even the temporary file can be made there is none to remove, and the error is that of the folder."""

    def refuse(path, **options):
        raise PermissionError("read-only file system")

    monkeypatch.setattr(Path, "touch", refuse)

    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1))

    assert message == (
        f"{tmp_path / 'net.pt'}: could not be written (PermissionError: read-only file system); what was there before "
        "is unchanged. Check the space left, or choose another path"
    )
    assert os.listdir(tmp_path) == []


def test_save_checkpoint_cuts_a_long_reason_short(tmp_path, monkeypatch):
    """Of a system's long words the first 120 letters are told, and dots say that there were more."""

    def refuse(path, **options):
        raise PermissionError("no " * 100)

    monkeypatch.setattr(Path, "touch", refuse)

    message = message_of(save_checkpoint, tmp_path / "net.pt", nn.Linear(1, 1))

    assert re.search(r"\(PermissionError: no( no)* \.\.\.\); what was there", message)


def test_save_checkpoint_saves_where_a_folder_cannot_be_flushed(tmp_path, monkeypatch):
    """Some systems flush files, not folders: the file is whole all the same."""
    flush, refused = files._flush, []

    def refuse_folders(path, flags):
        if path.is_dir():
            refused.append(path)
            raise OSError("not supported")
        flush(path, flags)

    monkeypatch.setattr(files, "_flush", refuse_folders)

    save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), step=3)

    assert refused == [tmp_path]
    assert load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).step == 3


def test_save_checkpoint_refuses_a_protected_file(saved, monkeypatch):
    """A file that is protected from writing is not replaced, although its folder would allow it."""
    before = saved[0].read_bytes()
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root, as in a container, may write anything

    message = message_of(save_checkpoint, saved[0], small()[0])

    assert message == f"{saved[0]}: is protected from writing, or no ordinary file; choose another path"
    assert saved[0].read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_save_checkpoint_refuses_a_pipe(tmp_path):
    """A pipe is neither replaced nor waited for."""
    os.mkfifo(tmp_path / "pipe")

    assert "no ordinary file" in message_of(save_checkpoint, tmp_path / "pipe", nn.Linear(1, 1))
    assert "no such file" in message_of(load_checkpoint, tmp_path / "pipe", nn.Linear(1, 1))


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no such permissions")
@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_keeps_permissions(name, tmp_path):
    """A new file gets the permissions of any new file, a replaced one keeps its own."""
    path, plain = tmp_path / name, tmp_path / "plain"
    plain.touch()

    save_checkpoint(path, nn.Linear(1, 1), durable=False)
    new = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o640)
    save_checkpoint(path, nn.Linear(1, 1), durable=False)

    assert new == stat.S_IMODE(plain.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_save_checkpoint_follows_a_link(tmp_path):
    """Saving through a link replaces the file behind it, and leaves the link a link."""
    (tmp_path / "runs").mkdir()
    link, behind = tmp_path / "latest.pt", tmp_path / "runs" / "net.pt"
    try:
        link.symlink_to(behind)
    except OSError:
        pytest.skip("this system allows no links")

    for step in (1, 2):
        save_checkpoint(link, nn.Linear(1, 1), step=step, durable=False)

    assert link.is_symlink()
    assert load_checkpoint(behind, nn.Linear(1, 1)).step == 2
    assert os.listdir(tmp_path / "runs") == ["net.pt"]


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
def test_save_checkpoint_flushes_before_it_replaces(name, tmp_path, monkeypatch):
    """A durable save flushes the file, moves it into place, then flushes the folder; another flushes nothing."""
    calls, replace, fsync = [], os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    monkeypatch.setattr(os, "fsync", lambda file: (calls.append("flush"), fsync(file)))

    save_checkpoint(tmp_path / name, nn.Linear(1, 1))
    durable, calls[:] = list(calls), []
    save_checkpoint(tmp_path / name, nn.Linear(1, 1), durable=False)

    assert durable == (["flush", "replace"] if os.name == "nt" else ["flush", "replace", "flush"])
    assert calls == ["replace"]


def test_save_checkpoint_stores_checksums_where_they_were_switched_off(tmp_path):
    """A program that has told torch not to compute checksums still gets them here, and keeps its setting."""
    torch.serialization.set_crc32_options(False)
    try:
        save_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1), durable=False)
        kept = torch.serialization.get_crc32_options()
        torch.save({}, tmp_path / "bare.pt")
    finally:
        torch.serialization.set_crc32_options(True)

    assert not kept
    assert zipfile.ZipFile(tmp_path / "net.pt").testzip() is None
    assert zipfile.ZipFile(tmp_path / "bare.pt").testzip() == "bare/data.pkl"


@pytest.mark.parametrize("name", ["n" * 300, "zero\0byte.pt", "\udcff.pt"], ids=["long", "zero byte", "no UTF-8"])
def test_checkpoints_report_a_name_that_no_file_can_have(name, tmp_path):
    """What the system or torch takes for no path is a CheckpointError for both functions, and leaves no file."""
    for call in (save_checkpoint, load_checkpoint):
        message = message_of(call, tmp_path / name, nn.Linear(1, 1))
        assert (
            "is no path that can be used here (" in message
            or "could not be written (" in message
            or (
                call is load_checkpoint and "there is no such file" in message  # as newer Pythons answer
            )
        )

    assert os.listdir(tmp_path) == []


def test_checkpoints_report_a_folder_that_may_not_be_entered(saved, monkeypatch):
    """A file in a folder that is closed to this user is a CheckpointError with the system's reason."""

    def closed(path, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", closed)  # root, as in a container, may enter any folder
    messages = [message_of(call, saved[0], small()[0]) for call in (save_checkpoint, load_checkpoint)]
    monkeypatch.undo()

    words = f"{saved[0]!r} is no path that can be used here (PermissionError: [Errno 13] Permission denied)"
    assert [message.partition(";")[0] for message in messages] == [words] * 2


@pytest.mark.skipif(os.name == "nt", reason="Windows allows links to some users only")
def test_checkpoints_report_links_that_lead_nowhere(tmp_path):
    """Links in a circle are an error and stay links; a link to a file that is not there yet becomes one to a file."""
    first, second, ahead = tmp_path / "a.pt", tmp_path / "b.pt", tmp_path / "ahead.pt"
    first.symlink_to(second)
    second.symlink_to(first)
    ahead.symlink_to(tmp_path / "net.pt")

    messages = [message_of(call, first, nn.Linear(1, 1)) for call in (save_checkpoint, load_checkpoint)]
    save_checkpoint(ahead, nn.Linear(1, 1), step=4, durable=False)

    assert all("no path that can be used here" in message for message in messages)
    assert (first.is_symlink(), second.is_symlink(), ahead.is_symlink()) == (True, True, True)
    assert load_checkpoint(tmp_path / "net.pt", nn.Linear(1, 1)).step == 4


class Located:
    """A path of another library."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.mark.parametrize("kind", [str, Path, Located])
def test_checkpoints_take_every_kind_of_path(kind, tmp_path, monkeypatch):
    """A string, a Path, an object with __fspath__, relative or not: each names the same file."""
    monkeypatch.chdir(tmp_path)
    net = nn.Linear(1, 1)

    save_checkpoint(kind("net.pt"), net, step=3, durable=False)

    assert load_checkpoint(kind(tmp_path / "net.pt"), net).step == 3
    assert os.listdir(tmp_path) == ["net.pt"]
