"""What learners print and name is shown as text and nothing else; progress and the doctor survive odd environments."""

import ast
import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path, PureWindowsPath

import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from torch import nn

import d2lcompute
from d2lcompute import __main__ as command
from d2lcompute import doctor, parameter_table
from d2lcompute.doctor import Finding
from d2lcompute.exercises import check, hint, progress, solution
from d2lcompute.exercises.checking.compare import plain_text, shorten, shown
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.trial import Trial
from d2lcompute.exercises.learner import help as help_module
from d2lcompute.exercises.learner import store
from d2lcompute.exercises.registry import find
from d2lcompute.figures import draw_blocks

PACKAGE = Path(d2lcompute.__file__).parent
SCRIPT = "<script>alert(1)</script>"
HOSTILE = {
    "HTML": SCRIPT,
    "a formula": r"$\frac$",
    "a colour": "\x1b[31mred\x1b[0m",
    "a window's title": "\x1b]0;title\x07red",
    "a link": "\x1b]8;;file:///etc\x1b\\red\x1b]8;;\x1b\\",
    "half a command": "red\x1b[3",
    "a bell, a backspace, a null": "a\x07b\x08c\x00",
    "lines": "one\ntwo\r\nthree\u2028four",
    "backwards": "\u202eevil\u202c \u2066x\u2069 \u200f",
    "half a character": "\ud800",
    "10 MB": "x" * 10_000_000,
    "10 MB of colours": "\x1b[31m" * 2_000_000,
    "braces and percents": "{0} {name} %s %(x)s",
}
UNSEEN = re.compile(
    "[^\n\x20-\x7e\xa0-\u200d\u2010-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\uffff\U00010000-\U0010ffff]"
)


def is_plain(text):
    """Tell whether a message can be shown anywhere: no command, nothing unseen, no endless length."""
    return not UNSEEN.search(text) and len(text) < 3000


def test_is_plain_notices_each_hostile_text():
    """What the other tests demand of messages, none of the dangerous texts has by itself."""
    harmless = {"HTML", "a formula", "lines", "braces and percents"}

    plain = {name for name, text in HOSTILE.items() if is_plain(text)}

    assert plain == harmless - {"lines"}


# --- Nothing is rendered ---------------------------------------------------------------------------------------------


def rich_output(source):
    """Name what in a module's source could hand a notebook anything else than text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        name = getattr(node, "name", None) or getattr(node, "attr", None) or getattr(node, "id", None)
        if isinstance(name, str) and re.fullmatch(r"_repr_\w+_|_ipython_display_|HTML|Markdown|Latex|SVG", name):
            found.append(name)
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        found += [module for module in modules if module.split(".")[0] in ("IPython", "html", "ipywidgets")]
    return found


def test_package_has_no_rich_output():
    """No module of the package defines or calls what a notebook renders as HTML, Markdown or a formula."""
    found = {path: rich_output(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}

    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def _repr_html_(self): return '<b>'",
        "A._repr_mimebundle_ = print",
        "from IPython.display import display",
        "import IPython",
        "print(HTML('<b>'))",
    ],
)
def test_rich_output_is_found(source):
    """Each way of handing out more than text is noticed."""
    assert rich_output(source) != []


def shown_objects():
    """Return one of each kind of object that the package hands to a notebook."""
    with d2lcompute.pretend_gpus(1) as machine:
        torch.ones(2, device="cuda")
    net = nn.Module()
    net.add_module(SCRIPT, nn.Linear(2, 2))
    return {
        "a check": check("parallel_block", ...),
        "a hint": hint("parallel_block"),
        "a solution": solution("parallel_block"),
        "progress": progress(),
        "a table": parameter_table(net),
        "a row": parameter_table(net)[0],
        "a timer": d2lcompute.Timer(),
        "a measurement": d2lcompute.Measurement(1.0, 0.1, 3, 5, torch.device("cpu")),
        "a machine": machine,
        "an event": machine.timeline[0],
        "a finding": Finding("OK", SCRIPT),
        "a net": d2lcompute.MLP(),
    }


def test_notebooks_get_text_alone(monkeypatch):
    """Jupyter's own formatters find one form of every object of the package: plain text."""
    monkeypatch.setattr(help_module, "_given", {})

    kinds = {name: set(DisplayFormatter().format(thing)[0]) for name, thing in shown_objects().items()}

    assert set(map(frozenset, kinds.values())) == {frozenset({"text/plain"})}, kinds


# --- What answers say ------------------------------------------------------------------------------------------------


class Says:
    """Something whose repr is given."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def raising(text):
    """Return an answer that raises an exception with a text."""

    def answer(*args):
        raise ValueError(text)

    return answer


def printing(text):
    """Return an answer that prints a text, and is wrong."""

    def answer(*args):
        print(text)
        return 0

    return answer


def named(text):
    """Return a class of that name, which is not the answer."""
    return type(text.replace("\x00", "").encode("utf-8", "replace").decode(), (), {})


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("make", [Says, raising, printing, named])
def test_check_message_is_plain_text(what, make):
    """Whatever an answer's repr, exception, output or name holds, the message is short text without commands."""
    answer = make(HOSTILE[what])
    exercise = find("why_share")

    messages = [examine(exercise, given, seed=1).message for given in (answer, (answer, 1), {answer: answer})]

    assert all(is_plain(message) for message in messages), messages
    assert all("not yet" in message for message in messages)


def test_check_shows_html_as_it_is_written():
    """Text that looks like HTML is neither rendered nor changed: it is plain text everywhere."""
    assert shown(Says(SCRIPT)) == SCRIPT
    assert SCRIPT in examine(find("why_share"), raising(SCRIPT), seed=1).message


def test_shorten_drops_colours_and_writes_out_what_nobody_sees():
    """Colours go, marks of direction and control characters become visible, letters of all scripts stay."""
    assert shorten(HOSTILE["a colour"]) == "red"
    assert shorten(HOSTILE["a link"]) == "red"
    assert shorten("a\u202eb\x07") == "a\\u202eb\\x07"
    assert shorten("\ud800") == "\\ud800"
    assert shorten("深度 שלום é 👩‍💻 −1") == "深度 שלום é 👩‍💻 −1"


def test_unknown_name_is_quoted_and_cut():
    """A name that is no exercise's is repeated in short, with its commands written out, at once."""
    for text in HOSTILE.values():
        with pytest.raises(ValueError, match="name must be that of an exercise") as error:
            check(text, 1)

        assert is_plain(str(error.value))


class EndlessError(Exception):
    """An exception that is never done saying what it is."""

    def __str__(self):
        while True:
            pass


class EndlessRepr:
    """A value whose repr never ends."""

    def __repr__(self):
        while True:
            pass


def raise_endless(net):
    """Raise what cannot be told."""
    raise EndlessError


@pytest.mark.parametrize("answer", [raise_endless, lambda net: EndlessRepr()])
def test_check_stops_words_without_end(answer):
    """A repr or an exception's text that never ends is stopped like any other answer that runs on."""
    result = examine(find("why_share"), answer, seed=1, limit_seconds=0.3)

    assert "an answer within 0.3 seconds" in result.message


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError])
def test_check_survives_words_that_raise(error):
    """An exception whose text cannot be asked for is called by its name, and ends nothing."""

    class SilentError(Exception):
        def __str__(self):
            raise error

        __repr__ = __str__

    def answer(net):
        raise SilentError

    result = examine(find("why_share"), answer, seed=1)

    assert "SilentError" in result.message
    assert plain_text(SilentError()) == "SilentError"


def test_shown_survives_a_class_that_hides_its_name():
    """A class whose own class answers for it is still called by its name."""

    class Meta(type):
        @property
        def __name__(cls):
            raise ZeroDivisionError

    class HiddenError(Exception, metaclass=Meta):
        def __repr__(self):
            raise ValueError

    words = shown(HiddenError), shown(HiddenError()), plain_text(HiddenError())

    assert words == (
        "the class HiddenError",
        "an object of type HiddenError (its repr raises ZeroDivisionError)",  # repr looks for the name too
        "HiddenError",
    )


def test_trial_draws_other_numbers_than_the_global_generator():
    """An answer that seeds the global generator with the trial's seed does not draw the trial's tensors."""
    for seed in (0, 1, 2**48 - 1):
        drawn = Trial(seed).tensor(64)

        torch.manual_seed(seed)
        assert not torch.isin(drawn, torch.randn(64)).any()


# --- What nets are called --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SCRIPT, r"$\frac$", "a$x^$b", "$", r"\alpha", "{0}", "%s", "a_b^c", "&lt;b&gt;"])
def test_drawing_and_table_take_names_as_they_are(name):
    """A dollar sign in a module's, parameter's or class's name starts no formula; nothing in it is interpreted."""
    net = nn.Module()
    net.add_module(name, type(name, (nn.Linear,), {})(2, 2))
    net.register_parameter(f"{name}!", nn.Parameter(torch.ones(2)))

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())
    ax.figure.savefig(io.BytesIO())

    texts = {text.get_text() for text in ax.texts}
    assert name in texts
    assert not any(text.get_parse_math() for text in ax.texts)
    assert [row.name for row in parameter_table(net)] == [f"{name}!", f"{name}.weight", f"{name}.bias"]
    assert f"\n{name}.weight " in repr(parameter_table(net))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one\ntwo", "one two"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
    ],
)
def test_drawing_writes_out_what_nobody_sees(name, text):
    """Commands to a terminal, marks of direction and half characters in a name are drawn by their numbers."""
    net = nn.Module()
    net.add_module(name, nn.Linear(2, 2))
    net.register_parameter(name + "!", nn.Parameter(torch.ones(2)))

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())
    ax.figure.savefig(io.BytesIO())

    texts = {drawn.get_text() for drawn in ax.texts}
    assert {text, f"{text}! (2,)"} <= texts


@pytest.mark.parametrize("name", ["one\ntwo", "\x1b[31mred", "\u202eevil", "\ud800", "\x00", "a\u2028b"])
def test_table_writes_out_what_nobody_sees(name):
    """The table has one line for each name, and it prints anywhere: line breaks and commands are numbers in it."""
    net = nn.Module()
    net.add_module(name, nn.Linear(2, 2, bias=False))
    net.add_module("twin", net.get_submodule(name))

    table = parameter_table(net)

    text = repr(table)
    assert text.splitlines()[1].split()[0] == f"{name}.weight".encode("unicode_escape").decode()
    assert text.splitlines()[2].split()[-1] == f"{name}.weight".encode("unicode_escape").decode()
    assert is_plain(text)
    assert len(text.splitlines()) == 4
    assert table[0].name == f"{name}.weight"


def test_drawing_cuts_an_endless_name():
    """A name of a million letters is cut, at once."""
    net = nn.Module()
    net.add_module("x" * 1_000_000, nn.Linear(2, 2))
    started = time.monotonic()

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())

    assert any(re.fullmatch("x+…", drawn.get_text()) for drawn in ax.texts)
    assert time.monotonic() - started < 10


# --- Progress in odd environments ------------------------------------------------------------------------------------


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


WRITER = """\
import importlib.util, sys
spec = importlib.util.spec_from_file_location("store", sys.argv[1])
store = importlib.util.module_from_spec(spec)
spec.loader.exec_module(store)
sys.stdin.readline()
notes = [store.record(f"{sys.argv[2]}_{i}") for i in range(25)]
sys.exit("".join(notes) or 0)
"""


def test_progress_of_two_processes_is_added_up(data_folder):
    """Three processes that pass exercises at the same time lose none, and leave the one file."""
    arguments = [sys.executable, "-c", WRITER, store.__file__]
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


# --- The doctor in odd environments ----------------------------------------------------------------------------------


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
