"""The stored notebooks keep the rules, the rules reject what breaks them, and nbval does its part."""

import copy
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from d2lcompute.exercises.registry import find
from tools import execute, exercises, rules

COURSE = sorted(rules.COURSE.glob("*.ipynb"))
FIGURE = new_output("display_data", {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "AAAA"})


def in_words(text):
    """Return the metadata of a cell whose figure is told in words."""
    return {"mystnb": {"image": {"alt": text}}}


FIRST = in_words("Two curves fall from 2.3; the upper one levels out at 0.4 after ten epochs.")
SECOND = in_words("Ten bars of nearly equal height, all between 95 and 105; the third is the lowest.")


def good_notebook():
    """Return a notebook that keeps every rule."""
    result = new_output("execute_result", {"text/plain": "3"}, execution_count=2)
    nb = new_notebook(
        cells=[
            new_markdown_cell("# Title\n\n5 minutes\n\n**You will** a\n\n**You need** b", id="good-title"),
            new_code_cell("import torch\ntorch.manual_seed(0)", id="imports-seed"),
            new_markdown_cell("**Predict.** What is 1 + 2?", id="sum-predict"),
            new_code_cell("1 + 2", id="sum-run", outputs=[result]),
            new_code_cell("assert 1 + 2 == 3, 'a sum'", id="sum-check"),
            new_code_cell("draw()", id="first-draw", outputs=[copy.deepcopy(FIGURE)], metadata=FIRST),
            new_markdown_cell("*A caption.*", id="first-caption"),
            new_code_cell("draw()", id="second-draw", outputs=[copy.deepcopy(FIGURE)], metadata=SECOND),
            new_markdown_cell("*A caption.*", id="second-caption"),
            new_markdown_cell("## Summary", id="good-summary"),
            new_markdown_cell("## Exercises", id="good-exercises"),
            new_markdown_cell("## Going further", id="good-further"),
        ]
    )
    for number, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
        cell.execution_count = number
    return nb


def cell(nb, name):
    """Return the cell with this id."""
    return next(c for c in nb.cells if c.id == name)


def tag(nb, name, *tags):
    """Tag a cell."""
    cell(nb, name).metadata = nbformat.from_dict({"tags": list(tags)})


def printed(text, name="stdout"):
    """Return a function that gives a notebook's first result a printed text beside it."""
    return lambda nb: cell(nb, "sum-run").outputs.append(new_output("stream", name=name, text=text))


def source(name, text):
    """Return a function that replaces a cell's source."""
    return lambda nb: cell(nb, name).update(source=text)


BAD = {
    "a cell never ran": (rules.executed_in_order, lambda nb: cell(nb, "sum-run").update(execution_count=None)),
    "cells ran in another order": (rules.executed_in_order, lambda nb: cell(nb, "sum-run").update(execution_count=7)),
    "an address": (rules.stable_outputs, printed("<object at 0x7f3a2c1d9e50>")),
    "a path": (rules.stable_outputs, printed("saved to /tmp/x/net.pt")),
    "a Windows path": (rules.stable_outputs, printed(r"saved to C:\Users\ada\net.pt")),
    "a duration": (rules.stable_outputs, printed("took 3.2 ms")),
    "a device": (rules.stable_outputs, printed("tensor([1.], device='cuda:0')")),
    "a date": (rules.stable_outputs, printed("2026-01-31")),
    "a time": (rules.stable_outputs, printed("at 12:30:59")),
    "a process id": (rules.stable_outputs, printed("/ipykernel_4242/123.py")),
    "a version": (rules.stable_outputs, printed("torch 2.13.0+cpu")),
    "a progress bar": (rules.stable_outputs, printed("10 %\r20 %\n")),
    "stderr": (rules.stable_outputs, printed("a warning", name="stderr")),
    "HTML": (
        rules.stable_outputs,
        lambda nb: cell(nb, "sum-run").outputs[0]["data"].update({"text/html": "<b>3</b>"}),
    ),
    "a random id": (rules.ids_are_words, lambda nb: cell(nb, "sum-run").update(id="3f2a9c1b")),
    "a single word": (rules.ids_are_words, lambda nb: cell(nb, "sum-run").update(id="abcdef")),
    "an id twice": (rules.ids_are_words, lambda nb: cell(nb, "sum-run").update(id="sum-check")),
    "an unknown tag": (rules.tags_are_known, lambda nb: tag(nb, "sum-run", "skip-me")),
    "ignored without a reason": (rules.tags_are_known, lambda nb: tag(nb, "sum-run", "nbval-ignore-output")),
    "ignored by a comment": (rules.tags_are_known, source("sum-run", "# NBVAL_IGNORE_OUTPUT\n1 + 2")),
    "skipped by a comment": (rules.tags_are_known, source("sum-run", "1 + 2\n#  NBVAL_SKIP")),
    "no error in spite of the tag": (rules.tags_are_known, lambda nb: tag(nb, "sum-run", "raises-exception")),
    "an error without the tag": (
        rules.tags_are_known,
        lambda nb: cell(nb, "sum-run").outputs.append(new_output("error", ename="E", evalue="", traceback=[])),
    ),
    "a long cell": (rules.short_cells, source("sum-run", "\n".join(["1 + 2"] * 11))),
    "a long class": (rules.short_cells, source("sum-run", "class A:\n" + "\n".join(["    x = 1"] * 20))),
    "long cells everywhere": (
        rules.short_cells,
        lambda nb: [c.update(source=c.source + "\n1" * 6) for c in nb.cells if c.cell_type == "code"],
    ),
    "an import that nothing uses": (
        rules.imports_what_it_uses,
        source("imports-seed", "import os\nimport torch\n\ntorch.manual_seed(0)"),
    ),
    "exercises without help": (
        rules.imports_what_it_uses,
        lambda nb: cell(nb, "sum-run").update(id="exercise-sum-run"),
    ),
    "long prose": (rules.short_prose, source("sum-predict", "word " * 121)),
    "a prediction that nothing settles": (
        rules.checks_itself,
        source("good-further", "## Going further\n\n**Predict.** What is 2 + 2?"),
    ),
    "one figure": (
        rules.shows_figures,
        lambda nb: cell(nb, "first-draw").update(outputs=[], metadata=nbformat.from_dict({})),
    ),
    "a figure without a caption": (rules.shows_figures, source("second-caption", "Nice.")),
    "a figure without an assert": (
        rules.shows_figures,
        lambda nb: (source("sum-check", "3")(nb), source("sum-run", "assert 1 + 2 == 3, 'a sum'")(nb)),
    ),
    "a figure without words": (
        rules.figures_in_words,
        lambda nb: cell(nb, "first-draw").update(metadata=nbformat.from_dict({})),
    ),
    "a figure with a name for words": (
        rules.figures_in_words,
        lambda nb: cell(nb, "first-draw").update(metadata=nbformat.from_dict(in_words("A plot of the loss."))),
    ),
    "another figure's words": (
        rules.figures_in_words,
        lambda nb: cell(nb, "first-draw").update(metadata=nbformat.from_dict(SECOND)),
    ),
    "words without a figure": (
        rules.figures_in_words,
        lambda nb: cell(nb, "sum-run").update(metadata=nbformat.from_dict(FIRST)),
    ),
    "a semicolon": (rules.no_semicolons, source("first-draw", "draw();")),
    "an absolute path": (rules.stays_at_home, source("sum-run", "open('/data/net.pt', 'w')")),
    "a home folder": (rules.stays_at_home, source("sum-run", "path = '~/net.pt'")),
    "a parent folder": (rules.stays_at_home, source("sum-run", "path = '../net.pt'")),
    "a shell command": (rules.stays_at_home, source("sum-run", "!rm net.pt")),
    "a magic": (rules.stays_at_home, source("sum-run", "%time 1 + 2")),
    "no objectives": (rules.has_its_parts, source("good-title", "# Title\n\n5 minutes")),
    "no seed": (rules.has_its_parts, source("imports-seed", "import torch\n\ntorch.ones(1)")),
    "no summary": (rules.has_its_parts, source("good-summary", "## The end")),
}


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_notebook_keeps_the_rules(path):
    """Each stored notebook was executed in order and keeps every rule of tools/rules.py."""
    assert rules.findings(nbformat.read(path, as_version=4)) == []


def test_rules_accept_a_good_notebook():
    """The notebook from which the bad ones are made breaks no rule."""
    assert rules.findings(good_notebook()) == []


@pytest.mark.parametrize("what", BAD)
def test_rules_reject(what):
    """Each rule is shown a notebook that breaks it, and says so; only that rule does."""
    rule, spoil = BAD[what]
    nb = good_notebook()

    spoil(nb)

    assert {finding.split(":")[0] for finding in rules.findings(nb)} == {rule.__name__}


def test_rules_are_all_shown_something_bad():
    """No rule is left that was never seen to reject anything."""
    assert {rule for rule, _ in BAD.values()} == set(rules.RULES)


def test_rules_allow_a_pretended_machines_figures():
    """Times and devices of a pretended machine are the same everywhere, so their cells may print them."""
    nb = good_notebook()
    printed("0.5 ms on cuda:0")(nb)

    source("sum-run", "with pretend_gpus(2) as machine: print(machine)")(nb)

    assert rules.findings(nb) == []


def test_ignored_output_is_excused_with_a_reason():
    """A cell tagged nbval-ignore-output may print what changes if a comment says why."""
    nb = good_notebook()
    printed("took 3.2 ms")(nb)
    tag(nb, "sum-run", "nbval-ignore-output")

    source("sum-run", "1 + 2  # ignored because it is a time")(nb)

    assert rules.findings(nb) == []


def test_exercises_in_the_notebooks_are_those_of_the_package():
    """The exercise cells of every notebook are what tools/exercises.py makes of the exercises."""
    assert exercises.main(["--check"]) == 0


@pytest.fixture
def one_exercise(monkeypatch, tmp_path):
    """Let the course be one good notebook with a section "Sums", of which one exercise is to be."""
    nb = good_notebook()
    cell(nb, "sum-predict").source = "## Sums\n\n" + cell(nb, "sum-predict").source
    cell(nb, "first-caption").source = "## Figures\n\n" + cell(nb, "first-caption").source
    nb.cells.insert(-1, new_markdown_cell("### an exercise that nobody knows", id="exercise-unknown-task"))
    nbformat.write(nb, tmp_path / "01_blocks.ipynb")
    posed = replace(find("parallel_block"), section="Sums")
    monkeypatch.setattr(exercises, "COURSE", tmp_path)
    monkeypatch.setattr(exercises, "exercises_of", lambda notebook: [posed])
    return tmp_path / "01_blocks.ipynb"


def test_exercises_are_noticed_when_they_are_behind(one_exercise, capsys):
    """A notebook whose exercise cells were edited by hand is named, and brought up to date on demand."""
    assert exercises.main(["--check"]) == 1
    assert "out of step in: 01_blocks" in capsys.readouterr().out
    assert exercises.main([]) == 0
    assert exercises.main(["--check"]) == 0
    ids = [c.id for c in nbformat.read(one_exercise, as_version=4).cells]
    assert "exercise-unknown-task" not in ids
    place = ids.index("exercise-parallel-block-task")
    assert ids[place - 1 : place + 4] == [
        "first-draw",
        "exercise-parallel-block-task",
        "exercise-parallel-block-stub",
        "exercise-parallel-block-check",
        "first-caption",
    ]


def test_a_section_that_is_not_there_is_told(one_exercise, monkeypatch):
    """A heading that was renamed does not lose its exercises: the error names it and those that there are."""
    monkeypatch.setattr(exercises, "exercises_of", lambda notebook: [replace(find("parallel_block"), section="Sum")])

    with pytest.raises(ValueError, match=r"parallel_block: the notebook has no section 'Sum' \(there are: 'Sums', "):
        exercises.main([])


def run_nbval(path):
    """Return the exit status of strict nbval over one notebook."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval", "-c", os.devnull, str(path)]
    return subprocess.run(command, capture_output=True, cwd=path.parent, timeout=120).returncode


def small_notebook(path, output="3"):
    """Write an executed notebook of one cell."""
    result = new_output("execute_result", {"text/plain": output}, execution_count=1)
    nb = new_notebook(cells=[new_code_cell("1 + 2", id="sum-run", execution_count=1, outputs=[result])])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nb, path)
    return path


@pytest.mark.slow
def test_nbval_rejects_a_changed_number(tmp_path):
    """Strict validation passes the true output and fails when one stored number differs."""
    assert run_nbval(small_notebook(tmp_path / "true.ipynb")) == 0
    assert run_nbval(small_notebook(tmp_path / "false.ipynb", output="4")) == 1


@pytest.mark.slow
def test_execute_reports_a_failing_notebook(tmp_path, capsys):
    """The runner goes on after a failure, names it with its error, exits with 1, and writes nothing."""
    good, bad = tmp_path / "good.ipynb", tmp_path / "bad.ipynb"
    for path, code in ((good, "1 + 2"), (bad, "1 / 0")):
        nbformat.write(new_notebook(cells=[new_code_cell(code, id="sum-run")]), path)
    before = good.read_bytes(), bad.read_bytes()

    status = execute.main([str(good), str(bad)])

    printed_lines = capsys.readouterr().out
    assert status == 1
    assert "FAIL bad" in printed_lines
    assert "ZeroDivisionError: division by zero" in printed_lines
    assert "1 of 2 notebooks executed" in printed_lines
    assert (good.read_bytes(), bad.read_bytes()) == before


@pytest.mark.slow
def test_execute_stores_the_same_bytes_twice(tmp_path):
    """Stored outputs carry no time, no path and no metadata that would change from run to run."""
    path = tmp_path / "twice.ipynb"
    cells = [new_code_cell("1 + 2", id="sum-run"), new_code_cell("1 / 0", id="sum-error")]
    cells[1].metadata = nbformat.from_dict({"tags": ["raises-exception"], "collapsed": True})
    nbformat.write(new_notebook(cells=cells), path)

    assert execute.main(["--store", str(path)]) == 0
    first = path.read_bytes()
    assert execute.main(["--store", str(path)]) == 0

    assert path.read_bytes() == first
    stored = json.loads(first)
    assert [c["execution_count"] for c in stored["cells"]] == [1, 2]
    assert stored["cells"][1]["metadata"] == {"tags": ["raises-exception"]}
    assert stored["cells"][1]["outputs"][0]["traceback"] == ["ZeroDivisionError: division by zero"]
    assert str(tmp_path) not in first.decode()


def test_execute_refuses_what_is_not_there(capsys):
    """A notebook that does not exist and a number of jobs below 1 are usage errors that say so."""
    for arguments, message in (
        (["nowhere.ipynb"], "no such notebook: "),
        (["README.md"], "README.md: expected a Jupyter notebook, found a file that is not JSON; check the path"),
        (["--jobs", "0"], "--jobs must be at least 1; got 0"),
    ):
        with pytest.raises(SystemExit, match="2"):
            execute.main(arguments)
        assert message in capsys.readouterr().err


def test_course_is_complete():
    """The notebooks are numbered without a gap."""
    numbers = [int(path.stem[:2]) for path in COURSE]

    assert numbers == list(range(len(COURSE)))
    assert len(COURSE) >= 8
    assert all(Path(path).stat().st_size < 2**20 for path in COURSE)
