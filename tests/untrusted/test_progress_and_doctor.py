"""Untrusted files and environments: the record of progress, and the doctor."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import PureWindowsPath

import pytest

from d2lcompute import __main__ as command
from d2lcompute import doctor
from d2lcompute.doctor import Finding
from d2lcompute.exercises import progress
from d2lcompute.exercises.learner import store
from tests.untrusted.untrusted_support import HOSTILE, PACKAGE, SCRIPT, is_plain


@pytest.fixture(name="data_folder")
def _data_folder(tmp_path, monkeypatch):
    """Begin without anything passed, in a folder of one's own."""
    folder = tmp_path / "data"
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(folder))
    monkeypatch.setattr(store, "_in_memory", set())
    return folder


def test_progress_sets_a_huge_file_aside(data_folder):
    """A file that is too long for a record is not read whole, and not lost: it is renamed."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text('{"passed": []}' + " " * 1_000_000)

    note = store.record("why_share")

    assert "was damaged. It is now called progress.damaged-1.json" in note
    assert (data_folder / "progress.damaged-1.json").stat().st_size == 1_000_014
    assert store.passed_names() == ({"why_share"}, "")


@pytest.mark.parametrize(
    "foreign", ['{"cells": [], "nbformat": 4}', '"text"', "null", '{"passed": {"a": 1}}', "\0" * 99]
)
def test_progress_sets_a_foreign_file_aside(data_folder, foreign):
    """A file of another program, found under this name, is kept under another one."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text(foreign)

    store.record("why_share")

    assert (data_folder / "progress.damaged-1.json").read_text() == foreign
    assert store.passed_names() == ({"why_share"}, "")


def test_progress_shows_no_name_of_a_foreign_record(data_folder):
    """Names in the file that are no exercise's are kept and never shown."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text(json.dumps({"passed": [*HOSTILE.values(), "why_share"][:10]}))

    table = repr(progress())

    assert is_plain(table)
    assert SCRIPT not in table


def test_progress_on_a_full_disk_says_so(data_folder, monkeypatch):
    """An error that names no file is told with the folder, and the old record stays."""
    store.record("list_blocks")
    before = (data_folder / "progress.json").read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    note = store.record("why_share")

    assert f"ends: {data_folder} cannot be used (OSError)" in note
    assert (data_folder / "progress.json").read_bytes() == before
    assert store.passed_names()[0] == {"list_blocks", "why_share"}


def test_progress_in_a_read_only_folder_reads_on(data_folder, monkeypatch):
    """Where a folder can be read and not written, what is there counts, and what is new lasts for the session."""
    store.record("list_blocks")

    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "read-only", str(path))

    for name in ("os.replace", "os.mkdir", "pathlib.Path.mkdir", "tempfile.NamedTemporaryFile"):
        monkeypatch.setattr(name, refuse)
    note = store.record("why_share")

    assert "cannot be used (PermissionError)" in note
    assert store.passed_names()[0] == {"list_blocks", "why_share"}


WRITER = """
import sys
from d2lcompute.exercises.learner import store

sys.stdin.readline()
notes = [store.record(f"{sys.argv[1]}_{i}") for i in range(25)]
sys.exit("".join(notes) or 0)
"""


def test_progress_of_two_processes_is_added_up(data_folder):
    """Three processes that pass exercises at the same time lose none, and leave the one file."""
    arguments = [sys.executable, "-c", WRITER]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([*arguments, name], **pipes) for name in "abc"]

    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=60)[1] for writer in writers]

    assert said == ["", "", ""]
    assert store.passed_names() == ({f"{name}_{i}" for name in "abc" for i in range(25)}, "")
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]


def test_progress_waits_for_the_other_process(data_folder):
    """While another process holds the lock nothing is read or written; afterwards both names are there."""
    data_folder.mkdir()
    (data_folder / "progress.lock").mkdir()

    def other():
        time.sleep(0.2)
        (data_folder / "progress.json").write_text('{"format": 1, "passed": ["list_blocks"]}')
        (data_folder / "progress.lock").rmdir()

    thread = threading.Thread(target=other)
    thread.start()
    store.record("why_share")
    thread.join()

    assert store.passed_names() == ({"list_blocks", "why_share"}, "")


def test_progress_does_not_wait_for_a_dead_process(data_folder, monkeypatch):
    """A lock that nobody takes away holds up one record for a moment, and is gone then."""
    monkeypatch.setattr(store, "_WAIT_SECONDS", 0.1)
    data_folder.mkdir()
    (data_folder / "progress.lock").mkdir()

    assert store.record("why_share") == ""

    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]


@pytest.mark.slow
def test_progress_and_check_print_without_home_or_unicode(tmp_path):
    """In a process without home, in the locale C, with an ASCII stream, progress and a check are printed."""
    code = (
        "from d2lcompute.exercises import check, progress\n"
        "print(progress()); print(check('why_share', lambda net: '\\u6df1\\x1b[31m')); print(progress(reset=True))"
    )
    bare = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    bare |= {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii:backslashreplace", "D2LCOMPUTE_DEVICE": "cpu"}
    bare |= {"PYTHONPATH": str(PACKAGE.parent), "D2LCOMPUTE_DATA": str(tmp_path / "file")}
    (tmp_path / "file").touch()

    done = subprocess.run([sys.executable, "-c", code], env=bare, cwd=tmp_path, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"Progress is kept only until this session ends") == 2
    assert b"\x1b" not in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def run_doctor(*arguments, cwd=None, stdout=subprocess.PIPE, **environment):
    """Run the doctor in a process of its own without installed packages, which is quick."""
    changed = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **environment}
    return subprocess.run(
        [sys.executable, "-S", "-m", "d2lcompute", *arguments],
        env={name: value for name, value in changed.items() if value is not None},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd,
        check=False,
        timeout=60,
    )


def test_doctor_prints_on_the_streams_of_windows(tmp_path):
    """A stream in code page 1252 gets every line; what it cannot show is written out."""
    folder = tmp_path / "Kurs für 深度"
    folder.mkdir()

    done = run_doctor(cwd=folder, PYTHONIOENCODING="cp1252:strict")

    line = next(line for line in done.stdout.decode("cp1252").splitlines() if "current folder" in line)
    assert line.endswith("Kurs für \\u6df1\\u5ea6")
    assert done.stderr == b""


def test_doctor_warns_of_a_data_folder_that_is_a_file(tmp_path):
    """D2LCOMPUTE_DATA that points to a file is a warning, and the file stays as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("mine")

    done = run_doctor("--json", D2LCOMPUTE_DATA=str(file), HOME=None, USERPROFILE=None)

    finding = next(each for each in json.loads(done.stdout) if each["name"] == "data folder")
    assert finding["status"] == "WARN"
    assert finding["found"].startswith("cannot be written: ")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_doctor_shows_the_paths_of_windows(monkeypatch, encoding):
    """Backslashes, drives and letters outside the code page reach the stream, on one line, in text and in JSON."""
    path = str(PureWindowsPath(r"C:\Users\Ada Müller\new\深\torch"))
    monkeypatch.setattr(doctor, "CHECKS", {"data folder": lambda: Finding("OK", path)})
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))

    command.main([])
    command.main(["--json"])
    sys.stdout.flush()

    line, *rest = raw.getvalue().decode(encoding).splitlines()
    assert line.startswith("OK    data folder: C:\\Users\\Ada M")
    assert line.endswith("\\torch")
    assert json.loads("\n".join(rest))[0]["found"] == path


def test_doctor_survives_a_hostile_environment(tmp_path):
    """Commands to the terminal in a variable are no reason to fail, and come out on the line of their check."""
    done = run_doctor(D2LCOMPUTE_DATA=str(tmp_path / f"{HOSTILE['a colour']}\n{SCRIPT[:8]}"), COLUMNS="x", TERM="")

    lines = done.stdout.decode().splitlines()
    assert len(lines) == len(doctor.CHECKS)
    assert done.stderr == b""


@pytest.mark.skipif(not hasattr(os, "set_blocking"), reason="a closed pipe is told otherwise on Windows")
def test_doctor_ends_quietly_when_nobody_reads(tmp_path):
    """A reader that has gone, as in `… | head -1`, is no crash of the checks."""
    reader, writer = os.pipe()
    os.close(reader)

    with contextlib.closing(os.fdopen(writer, "wb")) as gone:
        done = run_doctor(stdout=gone)

    assert b"check could not be made" not in done.stderr
    assert done.returncode != 0
