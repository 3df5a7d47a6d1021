"""The exercises as the notebooks pose them, with the solutions put in: every check passes, and no file is written.

Only the imports, what is given, and the exercises' own cells run here. All other cells are executed by nbval, with the
stubs in place; none uses what an exercise binds.
"""

import ast
import json
import os
import subprocess
import sys

import nbformat
import pytest

from d2lcompute.exercises.registry import find, names
from tools import exercises, rules

COURSE = {path.stem: nbformat.read(path, as_version=4) for path in sorted(rules.COURSE.glob("*.ipynb"))}

# Runs each notebook's cells in a namespace of its own, and prints what the last line of each check cell is.
RUNNER = """
import ast, json, sys

def run(source, space):
    *body, last = ast.parse(source).body
    exec(compile(ast.Module([*body, *([] if isinstance(last, ast.Expr) else [last])], []), "cell", "exec"), space)
    return repr(eval(compile(ast.Expression(last.value), "cell", "eval"), space)) if isinstance(last, ast.Expr) else ""

answers = {}
for cells in json.load(sys.stdin).values():
    space = {"__name__": "__main__"}
    for name, source in cells:
        answer = run(source, space)
        if name.endswith("-check"):
            answers[name] = answer
print(json.dumps(answers))
"""


def exercise_of(cell_id):
    """Return the name of the exercise that a cell belongs to, and what the cell is for."""
    words, _, part = cell_id.removeprefix("exercise-").rpartition("-")
    return words.replace("-", "_"), part


def solved(notebook):
    """Return the cells to run, as (id, source): the imports, and those of the exercises with the solutions put in."""
    cells = []
    for cell_id, source in unsolved(notebook):
        name, part = exercise_of(cell_id)
        if part == "stub":
            answer = exercises.answer_expression(find(name).stub)
            source = f"from d2lcompute.exercises.registry import find\n{answer} = find({name!r}).solution"
        cells.append((cell_id, source))
    return cells


def unsolved(notebook):
    """Return the cells to run, as (id, source): the first, those that import, and those of the exercises."""
    code = [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    wanted = [code[0]]
    for cell_id, source in code[1:]:
        imports = all(isinstance(statement, ast.Import | ast.ImportFrom) for statement in ast.parse(source).body)
        if imports or cell_id.startswith("exercise-"):
            wanted.append((cell_id, source))
    return wanted


def run(cells, folder):
    """Run cells of several notebooks in one process, with a home and a working directory of its own."""
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
        "HOME": str(home),
        "USERPROFILE": str(home),
        "D2LCOMPUTE_DATA": str(folder / "data"),
        "PYTHONPATH": str(rules.COURSE.parents[1]),
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": str(folder / "matplotlib"),
    }
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(cells),
        env=environment,
        cwd=work,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), [*home.iterdir(), *work.iterdir()]


@pytest.mark.slow
def test_every_check_passes_with_the_solutions_put_in(tmp_path):
    """Each exercise's cells run with its solution in the stub's place, the check passes, and no file is left."""
    cells = {name: solved(notebook) for name, notebook in COURSE.items() if name in names()}

    answers, left = run(cells, tmp_path)

    posed = {f"exercise-{name.replace('_', '-')}-check": name for each in names().values() for name in each}
    assert set(answers) == set(posed)
    assert {name: answer for name, answer in answers.items() if not answer.startswith(f"✓ {posed[name]}: passed")} == {}
    assert left == []


def test_a_stub_that_stays_is_noticed(tmp_path):
    """With the stubs as they are, no check says that it passed."""
    answers, _ = run({"01_blocks": unsolved(COURSE["01_blocks"])}, tmp_path)

    assert answers
    assert all(": not attempted yet." in answer for answer in answers.values())


def bound(source):
    """Return the names that a cell gives to something."""
    names = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            names.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return names


def used(source):
    """Return the names that a cell uses."""
    return {
        node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def meddling(cells):
    """Return the cells of lessons that use a name which an exercise before them has bound."""
    taken, found = {}, []
    for name, source in cells:
        if name.startswith("exercise-"):
            taken |= dict.fromkeys(bound(source), name)
            continue
        found += [f"{name} uses {each}, of {taken[each]}" for each in sorted(used(source) & taken.keys())]
        taken = {each: owner for each, owner in taken.items() if each not in bound(source)}
    return found


@pytest.mark.parametrize("name", COURSE)
def test_no_lesson_uses_what_an_exercise_binds(name):
    """Whatever a learner writes into a stub, the cells after it run as they do here."""
    cells = [(cell.id, cell.source) for cell in COURSE[name].cells if cell.cell_type == "code"]

    assert meddling(cells) == []


def test_meddling_is_noticed():
    """A name that the lesson uses, gives anew, and uses again."""
    cells = [
        ("a-run", "X = 1"),
        ("exercise-b-stub", "def X(): ..."),
        ("c-run", "X"),
        ("d-run", "X = 2"),
        ("e-run", "X"),
    ]

    assert meddling(cells) == ["c-run uses X, of exercise-b-stub"]
