"""The command that validates under odd conditions: it makes them, sees failures and leftovers, and reports both."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.evidence import hermetic, page
from tools.evidence.hermetic import VARIANTS, Result, Variant

ROOT = hermetic.ROOT
WITH_PROBE = [variant for variant in VARIANTS if variant.probe]


def small_tree(folder, *sources):
    """Make a source tree with one notebook of these cells, each of which stores no output."""
    (folder / "notebooks" / "en").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder / "notebooks")
    cells = [new_code_cell(text, id=f"small-{i}", execution_count=1) for i, text in enumerate(sources)]
    cells[0].outputs = [new_output("stream", name="stdout", text="1\n")]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}})
    nbformat.write(notebook, folder / "notebooks" / "en" / "00_small.ipynb")
    return folder


@pytest.mark.slow
def test_run_reports_failures_and_what_is_left_behind(monkeypatch, tmp_path):
    """A cell that fails, files in the folder, in the temporary folder and at home: all are named."""
    leaving = (
        "import pathlib, tempfile\n"
        "pathlib.Path('here.txt').touch()\n"
        "pathlib.Path.home().joinpath('.at-home').touch()\n"
        "made = tempfile.mkdtemp(prefix='forgotten-')"
    )
    monkeypatch.setattr(hermetic, "ROOT", small_tree(tmp_path / "tree", "print(1)", leaving, "1 + 1"))

    result = hermetic.run(Variant("small", "nothing special", "assert 1 + 1 == 3, 'never'"), jobs=1, seed=0)

    assert result.passed == 2
    assert [each.split("\n")[0] for each in result.failed] == ["00_small: small-2", "condition: condition-check"]
    assert "AssertionError: never" in result.failed[1]
    assert "\x1b" not in "".join(result.failed)
    home, here, temporary = result.left
    assert (home, here) == ("home/.at-home", "source/notebooks/en/here.txt")
    assert temporary.startswith("tmp/forgotten-")


def test_run_makes_its_conditions(monkeypatch, tmp_path):
    """The environment, the folder, the order of the files and the number of runs are those of the variant."""
    monkeypatch.setattr(hermetic, "ROOT", small_tree(tmp_path / "tree", "1"))
    for number in range(1, 9):
        shutil.copy(
            tmp_path / "tree/notebooks/en/00_small.ipynb", tmp_path / f"tree/notebooks/en/0{number}_small.ipynb"
        )
    seen = []

    def validate(sandbox, start, jobs):
        seen.append(([path.stem for path in sandbox.paths], {path.parent.name for path in sandbox.paths}))
        assert (sandbox.environment()["VALIDATION_THREADS"], jobs) == ("2", 3)
        assert (sandbox.paths[0].parent / "conftest.py").is_file()
        return Result(passed=2)

    monkeypatch.setattr(hermetic.Sandbox, "validate", validate)
    environment = {"VALIDATION_THREADS": "2"}
    variant = Variant("small", "special", "assert True", environment, folder="a b", shuffled=True, runs=2)

    result = hermetic.run(variant, jobs=3, seed=1)

    assert result == Result(passed=4)
    assert seen[0] == seen[1]
    assert sorted(seen[0][0]) == [*(f"0{number}_small" for number in range(9)), "condition"] != seen[0][0]
    assert seen[0][1] == {"a b"}


@pytest.mark.parametrize(
    "variant", [each for each in VARIANTS if each.name in ("offline", "read-only")], ids=lambda each: each.name
)
def test_namespaces_make_their_condition(variant, tmp_path):
    """Where the system permits it, a command started so finds the condition that the probe asserts."""
    start = next((each for each in variant.starts if hermetic._works(each, tmp_path)), None)
    if start is None:
        pytest.skip("this system permits no namespaces: the command reports the variant as not run")
    code = f"import os\nos.chdir({str(tmp_path)!r})\n{variant.probe}"

    done = subprocess.run([*start, sys.executable, "-c", code], cwd=tmp_path, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")
    (tmp_path / "writable").touch()


@pytest.mark.parametrize("variant", WITH_PROBE, ids=lambda each: each.name)
def test_probe_asserts(variant):
    """Each probe is code with an assert."""
    assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(variant.probe)))


@pytest.mark.parametrize(
    "variant",
    [each for each in WITH_PROBE if each.name in ("elsewhere", "read-only", "libraries")],
    ids=lambda each: each.name,
)
def test_probe_fails_without_the_condition(variant, monkeypatch, tmp_path):
    """In an ordinary process the probe does not pass."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKL_CBWR", "AUTO")

    with pytest.raises(AssertionError):
        exec(variant.probe, {})


def test_threads_and_capability_probes_ask_torch(monkeypatch):
    """The number of threads and the instruction set are those that torch tells."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 2)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    passing = set()

    for variant in VARIANTS:
        if "torch." in variant.probe:
            try:
                exec(variant.probe, {})
            except AssertionError:
                continue
            passing.add(variant.name)

    assert passing == {"two-threads", "cpu-avx2"}


def test_run_skips_what_the_machine_cannot_do(monkeypatch):
    """A missing instruction set and a namespace that is not permitted are told, not passed over."""
    monkeypatch.setattr(hermetic, "_processor_flags", lambda: {"sse2"})
    monkeypatch.setattr(hermetic, "_works", lambda start, folder: False)
    variants = {variant.name: variant for variant in VARIANTS}

    without = hermetic.run(variants["cpu-avx512"], jobs=1, seed=0)
    refused = hermetic.run(replace(variants["offline"], probe=""), jobs=1, seed=0)

    assert without.row == "not run: the processor has no avx512f | |"
    assert refused.skipped == "unshare is not there, or not permitted"


def test_read_counts_each_cell(tmp_path):
    """A report that lacks cells is a failure with what pytest printed, and so is no report at all."""
    small_tree(tmp_path / "tree", "1", "2")
    path = tmp_path / "tree" / "notebooks" / "en" / "00_small.ipynb"
    report = tmp_path / "report.xml"
    report.write_text('<testsuite><testcase classname="notebooks.en.00_small.ipynb" name="Cell 0"/></testsuite>')

    fewer = hermetic._read(report, [path], "the kernel died")
    none = hermetic._read(tmp_path / "none.xml", [path], "usage: pytest")

    assert (fewer.passed, fewer.failed) == (1, ["1 of 2 cells were reported: the kernel died"])
    assert (none.passed, none.failed) == (0, ["0 of 2 cells were reported: usage: pytest"])


def test_main_prints_each_variant_and_returns_1_on_a_failure(monkeypatch, tmp_path, capsys):
    """A line for each variant, the failures and leftovers below it; the page keeps the rows of the others."""
    results = {
        "plain": Result(passed=3),
        "offline": Result(passed=2, failed=["01_blocks: mlp-run\n        ValueError"]),
        "twice": Result(passed=6, left=["tmp/x"]),
        "read-only": Result(skipped="no"),
    }
    monkeypatch.setattr(hermetic, "run", lambda variant, **options: results[variant.name])
    monkeypatch.setattr(page, "DOCS", tmp_path)
    old = "| shuffled | the files in a random order | 9 | 0 | 0 |"
    (tmp_path / "validation.md").write_text(f"<!-- hermetic: begin -->\n| a |\n|---|\n{old}\n<!-- hermetic: end -->\n")

    status = {name: hermetic.main(["--only", name, "--write"]) for name in results}

    printed = capsys.readouterr().out
    assert status == {"plain": 0, "offline": 1, "twice": 1, "read-only": 0}
    assert " FAIL offline      2 passed, 1 failed, 0 left behind" in printed
    assert "      01_blocks: mlp-run\n        ValueError" in printed
    assert "      left behind: tmp/x" in printed
    assert " skip read-only    no" in printed
    rows = page.rows("validation.md", "hermetic")
    assert list(rows) == ["plain", "offline", "read-only", "shuffled", "twice"]
    assert rows["shuffled"] == old
    assert "| 2 | 1 | 0 |" in rows["offline"]


def test_processes_names_what_still_runs(tmp_path, monkeypatch):
    """A process that was started in the sandbox, and still runs, is named; those of others are not."""
    monkeypatch.setattr(hermetic, "ROOT", small_tree(tmp_path / "tree", "1"))
    sandbox = hermetic.Sandbox(tmp_path / "box", VARIANTS[0], ())
    command = [sys.executable, "-S", "-c", "print(flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    with subprocess.Popen(command, env=sandbox.environment(), **pipes) as process:
        process.stdout.readline()
        during = sandbox.processes()
        process.communicate(b"\n")

    assert [name.split()[:2] for name in during] == [["the", "process"]]
    assert "input()" in during[0]
    assert sandbox.processes() == []


def test_environment_keeps_the_tools_own_files_apart(tmp_path, monkeypatch):
    """Home and temporary folder are the sandbox's; settings of the outer process that would show do not get in."""
    monkeypatch.setattr(hermetic, "ROOT", small_tree(tmp_path / "tree", "1"))
    for name in ("XDG_CACHE_HOME", "MPLBACKEND", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "x")
    sandbox = hermetic.Sandbox(tmp_path / "box", VARIANTS[0], ())

    environment = sandbox.environment()

    assert environment["HOME"] == str(tmp_path / "box" / "home")
    assert {environment[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(tmp_path / "box" / "tmp")}
    assert not {"XDG_CACHE_HOME", "MPLBACKEND", "OMP_NUM_THREADS"} & set(environment)
    assert environment["PATH"] == os.environ["PATH"]
