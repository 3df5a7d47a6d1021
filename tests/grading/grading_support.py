"""What the tests of grading share: notebooks of learners, right, wrong and hostile."""

import inspect
import json
from pathlib import Path

from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find
from d2lcompute.exercises.stubs import names_in
from d2lcompute.grading.confinement import lacking
from d2lcompute.grading.program import Cell
from d2lcompute.grading.verdict import Job
from tests.exercises.wrong_answers import wrong_answers

NOT_CONFINED = lacking()
IMPORTS = Cell("imports-seed", "import torch\nfrom torch import nn")

RIGHT = source_of(find("parallel_block"))

HOSTILE = {  # what the answer does beside a right class → its code, the status it comes to
    "ends its process": ("import os\nos._exit(0)", "died"),
    "ends its process as if all were well": ("import os\nos.write(1, b'done')\nos._exit(0)", "died"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "died"),
    "loops": ("while True: pass", "too long"),
    "loops and lets nothing stop it": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "too long",
    ),
    "loops in C": ("import itertools, collections\ncollections.deque(itertools.count(), 0)", "too long"),
    "sleeps": ("import time\ntime.sleep(1000)", "too long"),
    "takes 10 GB": ("x = bytearray(10**10)", "failed"),
    "takes 10 GB in torch": ("x = torch.ones(10**10 // 4)", "failed"),
    "prints 1 GB": ("for _ in range(1000): print('x' * 1_000_000)", ("passed", "too long")),
    "prints 100 MB past Python": ("import os\nfor _ in range(100): os.write(1, b'x' * 1_000_000)", "passed"),
    "writes a big file": (
        "with open('/tmp/big', 'wb') as f:\n    for _ in range(200): f.write(bytes(1_000_000))",
        "failed",
    ),
    "leaves a daemon behind": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n    os._exit(0)",
        "passed",
    ),
    "forks without end": (
        "import os, time\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(1000)\n"
        "except OSError as error:\n    raise RuntimeError('no more processes') from error",
        "failed",
    ),
    "kills its parent": ("import os\nos.kill(os.getppid(), 9)", "passed"),  # it has none that it sees
    "kills all that it sees": ("import os\nos.kill(-1, 9)", "failed"),  # it sees none
    "deletes all that it finds": ("import shutil\nshutil.rmtree('/', ignore_errors=True)", ("passed", "too long")),
    "asks the network": ("import socket\nsocket.create_connection(('127.0.0.1', 9), 1)", "failed"),
    "reads the class": ("import os\nassert os.listdir('/submissions')", "failed"),
    "changes the checker": (
        "from d2lcompute.exercises.checking import trial\ntrial.difference = lambda *both: None",
        "tampered",
    ),
    "changes the checker's code": (
        "from d2lcompute.exercises.checking import compare\n"
        "compare.difference.__code__ = (lambda came, expected: None).__code__",
        "tampered",
    ),
    "changes the trial": (
        "from d2lcompute.exercises.authoring import Trial\nTrial.same = lambda *all, **more: None",
        "tampered",
    ),
    "changes torch": ("torch.isclose = lambda a, b, **more: torch.ones_like(a, dtype=torch.bool)", "tampered"),
    "empties the requirements": (
        "import dataclasses\nfrom d2lcompute.exercises.lessons.blocks import parallel_block as module\n"
        "module.EXERCISE = dataclasses.replace(module.EXERCISE, requirements=())",
        "tampered",
    ),
    "is no Python": ("def :", "failed"),
    "is deeper than Python reads": ("x = " + "(" * 5000 + ")" * 5000, "failed"),
    "raises SystemExit": ("raise SystemExit", "failed"),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", "failed"),
}


def job(source, *, exercise="parallel_block", whole=False, before=()):
    """Return the answer of a learner whose notebook has the imports and this answer."""
    return Job(exercise, ((IMPORTS, *before, Cell(stub_id(exercise), source)),), whole)


def stub_id(exercise):
    """Return the id of an exercise's cell."""
    return f"exercise-{exercise.replace('_', '-')}-stub"


def notebook(answers, *, others=()):
    """Return a notebook's text: the imports, other cells, and the answers by the exercise's name."""
    cells = [IMPORTS, *others]
    for name, source in answers.items():
        given = "\n\n\n".join(inspect.getsource(each) for each in find(name).given)
        if given:
            cells.append(Cell(stub_id(name).replace("-stub", "-given"), given))
        cells.append(Cell(stub_id(name), source))
    listed = [
        {"cell_type": "code", "id": cell.id, "source": cell.source, "metadata": {}, "outputs": []} for cell in cells
    ]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": listed})


def hand_in(folder, learner, text, *, name="01_blocks.ipynb"):
    """Write a learner's notebook into a folder of submissions."""
    path = Path(folder) / learner / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def wrong_sources(exercise):
    """Return the wrong answers of the tests as source code that a learner could hand in, each with its remark."""
    folder = find(exercise).notebook.partition("_")[2]
    path = Path(__file__).parents[1] / "exercises" / folder / f"{exercise}.py"
    text = path.read_text(encoding="utf-8").replace(
        "from tests.exercises.wrong_answers import WrongAnswer",
        "WrongAnswer = lambda answer, remark, why: (answer, remark, why)",
    )
    names = names_in(find(exercise).stub)
    target = names[0] if len(names) == 1 else f"({', '.join(names)})"
    own = f"wrong = {{'__name__': 'wrong'}}\nexec({text!r}, wrong)\n"  # apart, since it imports names of the solution
    return [
        (f"{own}{target} = wrong['WRONG_ANSWERS'][{i}][0]\n", each.remark)
        for i, each in enumerate(wrong_answers(exercise))
    ]
