"""The command ``python -m d2lcompute``, also where torch, a home or a terminal is missing."""

import ast
import io
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from d2lcompute import __main__ as command
from d2lcompute import doctor, exercises
from d2lcompute.doctor import Finding

PACKAGE = Path(command.__file__).resolve().parent
STATUSES = ("OK  ", "WARN", "FAIL")
FINDINGS = {
    "first": Finding("OK", "fine"),
    "second": Finding("WARN", "two\n  lines", "mend it"),
    "third": Finding("FAIL", "gone", "get it"),
}


def run(*arguments, flags=(), cwd=None, path=(), **environment):
    """Run the doctor in a process of its own, with this package first on Python's path and a changed environment."""
    changed = {**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, path), str(PACKAGE.parent)]), **environment}
    return subprocess.run(
        [sys.executable, *flags, "-m", "d2lcompute", *arguments],
        env={name: value for name, value in changed.items() if value is not None},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )


def lines(done):
    """Return what a run printed, name of the check → (status, the rest of its line)."""
    printed = done.stdout.decode("utf-8").splitlines()
    assert all(line.startswith(STATUSES) for line in printed), printed
    return {line[6:].split(": ")[0]: (line[:4].strip(), line.split(": ", 1)[1]) for line in printed}


def with_findings(monkeypatch, findings):
    """Let the checks find what is given."""
    checks = {name: (lambda finding=finding: finding) for name, finding in findings.items()}
    monkeypatch.setattr(doctor, "CHECKS", checks)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Say so."""
        return True


@pytest.mark.slow
def test_doctor_prints_a_line_for_each_check_of_this_machine():
    """Where the tests run nothing is broken: a line each, none says FAIL, exit status 0, nothing on stderr."""
    done = run()

    assert list(lines(done)) == list(doctor.CHECKS)
    assert "FAIL" not in {status for status, _ in lines(done).values()}
    assert (done.returncode, done.stderr) == (0, b"")


def test_doctor_speaks_without_torch():
    """Without torch, and without any package at all, every check has its line, and none is a traceback."""
    done = run(flags=["-S"])  # -S: no installed packages

    assert list(lines(done)) == list(doctor.CHECKS)
    assert lines(done)["torch"] == ("FAIL", "not installed -> install it with the selector on pytorch.org")
    assert lines(done)["Python"] == ("OK", f"{platform.python_version()} at {sys.executable}")
    assert lines(done)["d2lcompute"][0] == "FAIL"
    assert "ModuleNotFoundError: No module named 'torch'" in lines(done)["d2lcompute"][1]
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_speaks_where_the_import_of_torch_fails(tmp_path):
    """A torch whose libraries do not load is told apart from one that is not installed."""
    (tmp_path / "torch.py").write_text('raise OSError("[WinError 126] torch_cpu.dll\\nis missing")', encoding="utf-8")

    done = run(flags=["-S"], path=[tmp_path])

    assert lines(done)["torch"][0] == "FAIL"
    assert "import fails: OSError: [WinError 126] torch_cpu.dll is missing -> " in lines(done)["torch"][1]
    assert (done.returncode, done.stderr) == (1, b"")


def test_the_installed_command_speaks_where_the_import_of_torch_fails(tmp_path):
    """Pip's command imports the package before its module: it must not stop at torch either."""
    (tmp_path / "torch.py").write_text('raise OSError("torch_cpu.dll is missing")', encoding="utf-8")
    command = tmp_path / "d2lcompute"
    command.write_text("import sys\nfrom d2lcompute.__main__ import main\nsys.exit(main())", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(PACKAGE.parent)])}

    done = subprocess.run([sys.executable, "-S", command, "doctor"], env=environment, capture_output=True, check=False)

    assert lines(done)["torch"][0] == "FAIL"
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_speaks_where_a_file_hides_torch(tmp_path):
    """A learner's file torch.py in the folder where Python starts is named."""
    (tmp_path / "torch.py").write_text("x = 1", encoding="utf-8")

    done = run(flags=["-S"], cwd=tmp_path)

    assert lines(done)["torch"][0] == "FAIL"
    assert "torch.py -> rename that file or folder" in lines(done)["torch"][1]
    assert (done.returncode, done.stderr) == (1, b"")


def test_doctor_speaks_without_home_terminal_or_unicode(tmp_path):
    """Without a home, in the locale C, on an ASCII stream, in a folder whose name it cannot show, the doctor speaks."""
    folder = tmp_path / "深度"
    folder.mkdir()
    bare = {"HOME": None, "USERPROFILE": None, "LANG": "C", "LC_ALL": "C", "TERM": None}

    done = run(flags=["-S"], cwd=folder, PYTHONIOENCODING="ascii:strict", **bare)

    status, found = lines(done)["current folder"]
    assert (status, done.stderr) == ("OK", b"")
    assert found.isascii()
    assert found.endswith("\\u6df1\\u5ea6")


def test_doctor_speaks_where_no_folder_can_be_written(tmp_path):
    """Unusable folders are findings: temporary files are needed (FAIL), kept progress is not (WARN)."""
    file = tmp_path / "file"
    file.touch()
    nowhere = str(file / "below")

    done = run("--json", flags=["-S"], D2LCOMPUTE_DATA=nowhere, TMPDIR=nowhere, TEMP=nowhere, TMP=nowhere)

    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["data folder"]["status"] == "WARN"
    assert findings["data folder"]["found"].startswith("cannot be written: ")
    assert findings["temporary folder"]["status"] in ("OK", "FAIL")  # Python itself looks for another one
    assert (done.returncode, done.stderr) == (1, b"")


def test_import_without_torch_names_the_doctor():
    """The package itself cannot be imported without torch; the error says why, and which command says more."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import d2lcompute"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(PACKAGE.parent)], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ImportError: d2lcompute cannot be imported here (ModuleNotFoundError: No module named 'torch'); "
        "`python -m d2lcompute` says what is missing and how to mend it"
    )


@pytest.mark.slow
@pytest.mark.parametrize("program", ["mycourse.train", "mycourse"])
def test_a_program_run_with_m_is_told_why_the_package_cannot_be_imported(program, tmp_path):
    """``python -m mycourse.train`` gets the cause, not a missing name: only the doctor is let through without torch."""
    folder = tmp_path / "mycourse"
    folder.mkdir()
    (folder / "__init__.py").write_text("from d2lcompute import try_gpu\n", encoding="utf-8")
    for name in ("train", "__main__"):
        (folder / f"{name}.py").write_text("", encoding="utf-8")
    broken = tmp_path / "broken"
    (broken / "torch").mkdir(parents=True)
    (broken / "torch" / "__init__.py").write_text("raise OSError('libtorch.so: not found')\n", encoding="utf-8")

    done = subprocess.run(
        [sys.executable, "-m", program, "d2lcompute"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, broken, PACKAGE.parent)))},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert "d2lcompute cannot be imported here (OSError: libtorch.so: not found)" in done.stderr


def test_doctor_imports_torch_and_nothing_else_that_is_heavy():
    """Versions are read, not imported: the doctor takes about as long as torch does."""
    heavy = {"d2l", "jupyterlab", "matplotlib", "scipy", "sklearn", "tensorboard", "torchao", "torchinfo"}
    code = "import sys; from d2lcompute.__main__ import main; main(['--json']); print('|', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)

    modules = set(done.stdout.split("|")[1].split())
    assert "torch" in modules
    assert heavy & modules == set()


def test_main_prints_status_name_finding_and_remedy(monkeypatch, capsys):
    """A line holds the status, the name, what was found on one line, and the remedy where there is one."""
    with_findings(monkeypatch, FINDINGS)

    command.main([])

    assert capsys.readouterr().out == (
        "OK    first: fine\nWARN  second: two lines -> mend it\nFAIL  third: gone -> get it\n"
    )


def test_main_prints_json_for_programs(monkeypatch, capsys):
    """With --json the same findings are an array of objects, text as it was found."""
    with_findings(monkeypatch, FINDINGS)

    command.main(["--json"])

    printed = capsys.readouterr().out
    assert printed.startswith('[\n  {\n    "name": "first",\n')
    assert json.loads(printed) == [
        {"name": "first", "status": "OK", "found": "fine", "remedy": ""},
        {"name": "second", "status": "WARN", "found": "two\n  lines", "remedy": "mend it"},
        {"name": "third", "status": "FAIL", "found": "gone", "remedy": "get it"},
    ]


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_main_returns_1_only_on_fail(monkeypatch, arguments):
    """A warning is no failure."""
    with_findings(monkeypatch, FINDINGS)
    failing = command.main(arguments)
    with_findings(monkeypatch, {name: finding for name, finding in FINDINGS.items() if finding.status != "FAIL"})
    warning = command.main(arguments)

    assert (failing, warning) == (1, 0)


def test_main_explains_itself(capsys):
    """--help says what is printed and what the exit status means."""
    with pytest.raises(SystemExit) as stopped:
        command.main(["doctor", "--help"])

    text = " ".join(capsys.readouterr().out.split())  # lines are as long as the terminal is wide
    assert stopped.value.code == 0
    assert "d2lcompute doctor [-h] [--json]" in text
    assert " Examine this machine: OK, WARN or FAIL for each check, what was found, and the remedy. " in text
    assert " print an array of {name, status, found, remedy} instead " in text
    assert "The exit status is 1 if any check says FAIL, else 0." in text


def test_main_prints_what_the_terminal_cannot_show(monkeypatch):
    """A character that the stream's encoding lacks is printed as its code."""
    with_findings(monkeypatch, {"first": Finding("OK", "/home/深")})
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)

    command.main([])

    stream.flush()
    assert stream.buffer.getvalue().decode("ascii").endswith("first: /home/\\u6df1" + os.linesep)


def test_main_works_without_standard_output(monkeypatch):
    """A process that has no standard output, as under pythonw, still gets its exit status."""
    with_findings(monkeypatch, FINDINGS)
    monkeypatch.setattr(sys, "stdout", None)

    assert command.main([]) == 1


def test_diagnose_turns_a_crash_into_a_finding(monkeypatch):
    """A check that raises is reported like one that fails, and the others are still made."""

    def crash():
        raise RuntimeError("driver gone")

    monkeypatch.setattr(doctor, "CHECKS", {"first": crash, "second": lambda: FINDINGS["first"]})

    findings = doctor.diagnose()

    assert findings["first"].status == "FAIL"
    assert findings["first"].found == "this check could not be made: RuntimeError: driver gone"
    assert findings["first"].remedy == "mend what says FAIL in the other lines, then run the doctor again"
    assert findings["second"] == FINDINGS["first"]


@pytest.mark.parametrize(
    ("environment", "stream", "coloured"),
    [
        ({}, Terminal, True),
        ({"NO_COLOR": ""}, Terminal, True),
        ({"NO_COLOR": "1"}, Terminal, False),
        ({"TERM": "dumb"}, Terminal, False),
        ({}, io.StringIO, False),
    ],
)
def test_main_colours_on_a_terminal_alone(monkeypatch, environment, stream, coloured):
    """Colour codes go to terminals, never into files or pipes, and never where NO_COLOR is set."""
    with_findings(monkeypatch, FINDINGS)
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"WT_SESSION": "1", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream())

    command.main([])

    assert sys.stdout.getvalue().startswith("\033[32mOK  \033[0m  first" if coloured else "OK    first")


def test_main_does_not_colour_the_old_console_of_windows(monkeypatch):
    """The console of old Windows shows the codes instead of colours."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("WT_SESSION", raising=False)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(command, "os", type("Windows", (), {"name": "nt", "environ": {}}))
    old = command._wants_colour()
    monkeypatch.setattr(command, "os", type("Windows", (), {"name": "nt", "environ": {"WT_SESSION": "1"}}))
    new = command._wants_colour()

    assert (old, new) == (False, True)


def test_data_folder_is_the_one_that_exercises_use(monkeypatch, tmp_path):
    """The doctor examines the folder in which progress is really kept, chosen or by default."""
    for name, value in {"chosen": str(tmp_path / "chosen"), "d2lcompute False": ""}.items():
        monkeypatch.setenv("D2LCOMPUTE_DATA", value)
        monkeypatch.setattr("platformdirs.user_data_dir", lambda name, appauthor: str(tmp_path / f"{name} {appauthor}"))

        exercises.progress(reset=True)

        assert doctor.user_folder() == tmp_path / name
        assert list((tmp_path / name).iterdir()) != []


@pytest.mark.parametrize(
    "name", ["__init__", "__main__", "doctor/__init__", "doctor/checks", "doctor/installed", "doctor/jupyter"]
)
def test_doctor_can_be_read_by_an_older_python(name):
    """Python 3.9 can parse what it needs to say that it is too old; a newer statement would be noticed."""
    source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")

    ast.parse(source, feature_version=(3, 9))

    with pytest.raises(SyntaxError):
        ast.parse(source + "\nmatch source:\n    case _: pass\n", feature_version=(3, 9))


@pytest.mark.parametrize(
    ("arguments", "missing", "said"),
    [
        (
            ["start", "x"],
            "nbformat",
            'd2lcompute start: JupyterLab is not installed: "{}" -m pip install "d2lcompute[notebooks]"',
        ),
        (
            ["grade", "x"],
            "jinja2",
            'd2lcompute grade: jinja2 is not installed: "{}" -m pip install "d2lcompute[teach]"',
        ),
        (
            ["grade", "x", "--scheduler", "tcp://127.0.0.1:9"],
            "distributed",
            'd2lcompute grade: distributed is not installed: "{}" -m pip install "d2lcompute[teach]"',
        ),
    ],
)
def test_a_command_without_its_libraries_says_how_to_get_them(monkeypatch, capsys, arguments, missing, said):
    """Each names the extra that brings them; what else is missing is a mistake of ours, and raises."""

    def without(name):
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setattr(command, "import_module", without)

    assert command.main(arguments) == 1
    assert capsys.readouterr().err == said.format(sys.executable) + "\n"

    missing = "d2lcompute.grading.none"
    with pytest.raises(ModuleNotFoundError):
        command.main(arguments)
