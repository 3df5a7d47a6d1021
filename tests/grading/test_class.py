"""A whole class: every kind of submission, here and on a cluster, stopped, killed and run again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from functools import partial

import pytest
from distributed import KilledWorker, LocalCluster

from d2lcompute.__main__ import main
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find, names
from d2lcompute.grading import cluster as cluster_module
from d2lcompute.grading.cluster import judged_on
from d2lcompute.grading.grades import grade
from d2lcompute.grading.ledger import Ledger
from d2lcompute.grading.pages import write_pages
from d2lcompute.grading.pool import judged_here
from tests.grading.grading_support import HOSTILE, NOT_CONFINED, RIGHT, hand_in, job, notebook, wrong_sources

IMPORTED = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
EVERY = [name for exercises in names().values() for name in exercises if name != "big_and_small"]  # it measures time
SLOW = {
    "loops in C",
    "sleeps",
    "loops",
    "loops and lets nothing stop it",
    "deletes all that it finds",
    "forks without end",
}
LEFT_OUT = {"kills all that it sees", "loops in C", "sleeps", "loops", "loops and lets nothing stop it"}  # elsewhere
pytestmark = pytest.mark.skipif(
    bool(NOT_CONFINED) and os.geteuid() == 0, reason=f"the grader refuses to run as root here: {NOT_CONFINED}"
)
DAMAGED = {"empty": "", "cut": '{"cells": [', "a list": "[]", "no text": "\x00"}


def make_class(folder, count, *, hostile=True):
    """Write so many submissions and return what each has to come to: learner → exercise → status.

    Solutions, the wrong answers of the tests, stubs, hostile answers and damaged files, drawn with a fixed seed.
    """
    draw, expected = random.Random(0), {}
    evil = [what for what in HOSTILE if what not in LEFT_OUT] if hostile else []
    for number in range(count):
        learner, kind = f"learner-{number:03d}", number % 5
        if kind == 4 and number % 2:
            hand_in(folder, learner, DAMAGED[draw.choice(sorted(DAMAGED))])
            expected[learner] = {}
        elif kind == 4 and evil:
            what = evil[number // 10 % len(evil)]
            code, status = HOSTILE[what]
            hand_in(folder, learner, notebook({"parallel_block": f"{RIGHT}\n{code}\n"}))
            expected[learner] = {"parallel_block": status}
        else:
            name = draw.choice(EVERY)
            source, status = source_of(find(name)), "passed"
            if kind == 1:
                source, status = draw.choice(wrong_sources(name))[0], "failed"
            elif kind == 3:
                source, status = find(name).stub, "not attempted"
            hand_in(folder, learner, notebook({name: IMPORTED + source if kind != 3 else source}))
            expected[learner] = {name: status}
    return expected


def graded(folder, out, judging, **options):
    """Grade a folder, write the pages, and return their bytes by name; the ledger is not among them."""
    with Ledger(out / "ledger.jsonl") as ledger:
        grades = grade(folder, judging, ledger, **options)
    write_pages(grades, out)
    pages = {
        path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.*") if path.suffix != ".jsonl"
    }
    return grades, pages


@pytest.fixture(scope="module")
def class_of_200(tmp_path_factory):
    """Two hundred submissions, what they have to come to, and what they came to here with two workers."""
    folder = tmp_path_factory.mktemp("class")
    expected = make_class(folder, 200, hostile=not NOT_CONFINED)
    here = partial(judged_here, workers=2, confined=not NOT_CONFINED)
    return folder, expected, graded(folder, tmp_path_factory.mktemp("here"), here)


def test_two_hundred_submissions_get_the_right_verdicts(class_of_200):
    """Each learner's answer comes to what it has to, and what was not handed in is missing or unreadable."""
    _, expected, (grades, _) = class_of_200

    assert list(grades.verdicts) == sorted(expected)
    for learner, answers in expected.items():
        for name, verdict in grades.verdicts[learner].items():
            wanted = answers.get(name, "missing" if answers else "unreadable")
            assert verdict.status in ((wanted,) if isinstance(wanted, str) else wanted), (learner, name, verdict)


def test_a_cluster_gives_the_same_bytes(class_of_200, tmp_path):
    """A real scheduler with two workers, on this machine."""
    folder, _, (_, here) = class_of_200

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        _, there = graded(folder, tmp_path, partial(judged_on, cluster.scheduler_address))

    assert there.keys() == here.keys()
    assert {name for name in here if here[name] != there[name]} == set()


def test_what_a_lost_worker_had_is_done_again(tmp_path):
    """One of two workers is killed while it grades; every verdict comes all the same."""
    folder = tmp_path / "class"
    for number in range(20):
        hand_in(folder, f"learner-{number:02d}", notebook({"parallel_block": f"{RIGHT}\n# {number}"}))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        victim = next(iter(cluster.workers.values())).pid
        done = []

        def kill_once(count, known):
            done.append(count)
            if count == 5:
                os.kill(victim, signal.SIGKILL)

        grades, _ = graded(folder, tmp_path / "out", partial(judged_on, cluster.scheduler_address), told=kill_once)

    assert [verdicts["parallel_block"].status for verdicts in grades.verdicts.values()] == ["passed"] * 20
    assert done[-1] == 20


def test_answers_that_end_their_workers_have_their_verdict_by_that():
    """The scheduler gives up on what killed worker after worker; another failure is ours, and raises."""
    answers = [job(RIGHT), job(RIGHT.replace("dim=-1", "dim=0"))]

    class Future:
        def __init__(self, error):
            self.error = error

        def exception(self):
            return self.error

    killed = Future(KilledWorker("answers", "tcp://127.0.0.1:1", 3))

    assert [verdict.status for verdict in cluster_module._verdicts(killed, answers)] == ["died", "died"]
    with pytest.raises(ZeroDivisionError):
        cluster_module._verdicts(Future(ZeroDivisionError()), answers)


def test_no_scheduler_is_an_error(tmp_path, capsys):
    """In words, and soon."""
    hand_in(tmp_path / "class", "ada", notebook({"parallel_block": RIGHT}))

    assert main(["grade", str(tmp_path / "class"), "--scheduler", "tcp://127.0.0.1:9"]) == 1

    assert "no dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


def test_the_command_writes_everything(tmp_path, capsys):
    """Beside the submissions, unless told otherwise."""
    hand_in(tmp_path / "class", "ada", notebook({"parallel_block": RIGHT, "residual_block": "class Residual: pass"}))
    (tmp_path / "points.toml").write_text("parallel_block = 7\n")

    assert main(["grade", str(tmp_path / "class"), "--jobs", "1", "--points", str(tmp_path / "points.toml")]) == 0

    assert "Learners: 1. Exercises: 2. " in capsys.readouterr().out
    assert (tmp_path / "grades" / "grades.csv").read_text() == (
        "learner,parallel_block,residual_block,total,of\nada,7,0,7,8\n"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--notebooks", "01_block"], "no notebook of the course is called 01_block"),
        (["--points", "no.toml"], "no.toml cannot be read as TOML"),
    ],
)
def test_what_is_asked_wrongly_is_said_at_once(tmp_path, capsys, options, words):
    """Before anything is graded."""
    hand_in(tmp_path / "class", "ada", notebook({"parallel_block": RIGHT}))

    assert main(["grade", str(tmp_path / "class"), *options]) == 1

    assert words in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_an_error(tmp_path, capsys):
    """With what was expected."""
    assert main(["grade", str(tmp_path / "nowhere")]) == 1

    assert "is not there; expected the folder with the submissions" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "killed"])
def test_a_grader_that_was_stopped_goes_on(tmp_path, how):
    """What was graded is not graded again, and the pages are those of a run that was never stopped."""
    folder = tmp_path / "class"
    for number in range(12):
        hand_in(
            folder,
            f"learner-{number:02d}",
            notebook({"parallel_block": f"{RIGHT}\nimport time; time.sleep(0.1) # {number}"}),
        )
    command = [sys.executable, "-m", "d2lcompute", "grade", str(folder), "--jobs", "1", "--out", str(tmp_path / "out")]
    ledger = tmp_path / "out" / "ledger.jsonl"
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while (not ledger.exists() or ledger.read_bytes().count(b"\n") < 3) and time.monotonic() < until:
        time.sleep(0.05)
    first.send_signal(how)
    _, said = first.communicate(timeout=30)
    kept = ledger.read_bytes()

    subprocess.run(command, check=True, capture_output=True)

    assert 3 <= kept.count(b"\n") < 12
    assert first.returncode == (130 if how == signal.SIGINT else -9)
    assert ("stopped; what is graded is kept" in said) == (how == signal.SIGINT)
    lines = [json.loads(line)["answer"] for line in ledger.read_bytes().splitlines()]
    assert len(lines) == len(set(lines)) == 12
    assert (tmp_path / "out" / "grades.csv").read_text().count(",2,2,2") == 12


def test_the_same_answer_is_judged_once(tmp_path):
    """However many hand it in."""
    folder, judged = tmp_path / "class", []
    for learner in ("ada", "bo"):
        hand_in(folder, learner, notebook({"parallel_block": RIGHT}))

    def judging(jobs):
        for answer, verdict in judged_here(jobs, workers=1, confined=not NOT_CONFINED):
            judged.append(answer.exercise)
            yield answer, verdict

    grades, _ = graded(folder, tmp_path / "out", judging)

    assert judged == ["parallel_block"]
    assert {learner: verdicts["parallel_block"].status for learner, verdicts in grades.verdicts.items()} == {
        "ada": "passed",
        "bo": "passed",
    }
