"""What checks, hints, solutions and progress do, whatever the exercise."""

import dataclasses
import json
import logging
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import wcwidth
from torch import nn

from d2lcompute import exercises
from d2lcompute.exercises import CheckResult, check, hint, progress, solution
from d2lcompute.exercises.checking.compare import difference, plain_text, shorten, shown
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.exercise import Exercise
from d2lcompute.exercises.checking.forms import a_dict, a_function, a_list, a_module_class, a_value, functions
from d2lcompute.exercises.checking.trial import Counterexample, Trial
from d2lcompute.exercises.learner import store
from d2lcompute.exercises.registry import find, names
from d2lcompute.exercises.sandbox.settings import kept_settings, seed_everything
from d2lcompute.exercises.sandbox.stop import TimeIsUp, run_within


def doubles(answer, trial):
    """The result is twice the input."""
    X = trial.tensor(trial.size())
    trial.plan(f"double on X of shape {tuple(X.shape)}", nudge="How often does the value go in?")
    trial.same(trial.call(answer, X), 2 * X, mistakes={"The square is taken.": X**2})


def double(X):
    """Double the input."""
    return 2 * X


EXERCISE = Exercise(
    name="double",
    notebook="00_start_here",
    book=None,
    difficulty=1,
    minutes=1,
    task="Write a function that doubles its input.",
    stub="def double(X):\n    raise NotImplementedError\n",
    form=a_function,
    requirements=(doubles,),
    hints=("A question?", "A direction.", "A near-answer."),
    solution=double,
    why="It adds the value to itself.",
)


@pytest.fixture(autouse=True)
def _fresh_memory(monkeypatch):
    """Begin each test without hints given and without anything passed."""
    monkeypatch.setattr("d2lcompute.exercises.learner.help._given", {})
    monkeypatch.setattr(store, "_in_memory", set())


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """The folder in which progress is kept."""
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


# --- Results ---------------------------------------------------------------------------------------------------------


def test_exports():
    """The module exports five names."""
    assert exercises.__all__ == ["CheckResult", "check", "hint", "progress", "solution"]


def test_check_result_is_true_only_when_passed():
    """A result is true when passed, and otherwise false."""
    assert CheckResult("double", "passed", "")
    assert not CheckResult("double", "failed", "")
    assert not CheckResult("double", "not attempted", "")


def test_check_result_is_plain_frozen_text():
    """A result shows its message as it is, never as HTML, and cannot be changed."""
    result = CheckResult("double", "failed", "a <b>message</b>")

    assert repr(result) == "a <b>message</b>"
    assert not hasattr(result, "_repr_html_")
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.status = "passed"


def test_check_passed_message():
    """A passed check says where to read on."""
    result = check("parallel_block", find("parallel_block").solution)

    assert result.status == "passed"
    assert repr(result) == (
        'parallel_block: passed. solution("parallel_block") shows one way to do it, and why it works.'
    )


def test_check_failed_message():
    """A report shows what is needed, what was tried, expected and came, and names a mistake that it recognises."""
    result = examine(EXERCISE, lambda X: X**2, seed=6)

    assert result.status == "failed"
    head, needed, tried, expected, came, remark = result.message.split("\n")
    assert head == "double: not yet"
    assert needed == "  requirement  The result is twice the input."
    assert tried.startswith("  input        double on X of shape (")
    assert expected.startswith("  expected     ")
    assert came.startswith("  got          ")
    assert remark == "  The square is taken."


def test_check_nudges_where_it_knows_no_mistake():
    """A mistake that is not recognised gets the nudge of the plan."""
    assert examine(EXERCISE, lambda X: 3 * X).message.endswith("  How often does the value go in?")


def failing(**texts):
    """Return an exercise whose only requirement, which says nothing of itself, fails with these texts."""
    return dataclasses.replace(EXERCISE, requirements=(lambda answer, trial: trial.fail(**texts),))


def test_check_reports_only_what_there_is_to_say():
    """A requirement without words and a trial without a plan leave no empty entries."""
    result = examine(failing(expected="this", got="that", remark="So it is."), double)

    assert result.message == "double: not yet\n  expected     this\n  got          that\n  So it is."


def test_check_breaks_long_lines_below_the_text():
    """An entry that is too long for a line goes on below its own first word."""
    words = "word " * 25

    result = examine(failing(expected=words, got="that", remark="So it is."), double)

    first, second = result.message.split("\n")[1:3]
    assert first == "  expected     " + " ".join(["word"] * 17)
    assert second == "               " + " ".join(["word"] * 8)


def test_check_breaks_long_remarks_below_their_beginning():
    """A remark that is too long for a line goes on as far from the margin as it began."""
    result = examine(failing(expected="this", got="that", remark="word " * 25), double)

    assert result.name == "double"
    assert result.message.split("\n")[3:] == ["  " + " ".join(["word"] * 19), "  " + " ".join(["word"] * 6)]


def test_check_cuts_what_is_very_long():
    """An entry has up to 800 characters, and shows where it was cut."""
    whole, cut = (
        " ".join(examine(failing(expected="abcd " * count, got="that", remark="So it is."), double).message.split())
        for count in (160, 161)
    )

    assert f"expected {' '.join(['abcd'] * 160)} got that" in whole
    assert f"expected {' '.join(['abcd'] * 159)} a ... got that" in cut


@pytest.mark.parametrize("answer", [None, ..., [None], (..., ...), {"a": ..., "b": None}])
def test_check_open_answer(answer):
    """None, ``...`` and collections of nothing else are not attempted, and nothing is run."""
    result = examine(EXERCISE, answer)

    assert (result.name, result.status) == ("double", "not attempted")


def test_check_partly_open_answer():
    """A dict that is filled in half is told which entry is open."""
    exercise = find("list_blocks")

    result = examine(exercise, {**exercise.solution, "parameters": ...})

    assert result.status == "failed"
    assert "'parameters': Ellipsis" in result.message
    assert "This one is still open." in result.message


def test_check_stub_error_of_a_user_is_not_attempted():
    """NotImplementedError with a note of the learner's is a stub's too."""

    def stub(X):
        raise NotImplementedError("later")

    assert examine(EXERCISE, stub).status == "not attempted"


def test_check_not_implemented_error_of_a_library_is_a_mistake():
    """NotImplementedError is a mistake if a library raises it: a misspelt forward, an operation without a kernel."""

    class Misspelt(nn.Module):
        def foward(self, X):
            return X

    no_forward = examine(EXERCISE, lambda X: Misspelt()(X))
    no_kernel = examine(EXERCISE, lambda X: X.to("meta").to("cpu"))
    standard_library = examine(EXERCISE, lambda X: logging.Handler().emit(X))

    assert no_forward.status == no_kernel.status == standard_library.status == "failed"
    assert 'missing the required "forward" function' in no_forward.message
    assert "Cannot copy out of meta tensor" in no_kernel.message


def test_check_shows_the_line_that_raised(tmp_path):
    """The report on an exception shows the innermost line of the learner's own code."""
    file = tmp_path / "cell.py"
    file.write_text("def answer(X):\n    return X.reshape(3, 5, 7)\n")
    namespace = {}
    exec(compile(file.read_text(), str(file), "exec"), namespace)

    result = examine(EXERCISE, namespace["answer"])

    assert "  got          RuntimeError: shape '[3, 5, 7]' is invalid" in result.message
    assert "  in           line 2 of your code: return X.reshape(3, 5, 7)" in result.message


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        (
            lambda: None,
            "It is called as the task says: compare the arguments of your code with those of the stub.",
        ),
        (lambda X: sys.exit(), "exit() ends the whole program: use return to leave a function."),
        (lambda X: None, "It gave None: is a return missing?"),
        (
            lambda X: X / 0 * 0,
            "There is NaN among its values: look for a division by zero, or for memory that was never filled.",
        ),
        (lambda X: X.mul_(2), "The caller still needs its tensor: make a new one instead of writing into it."),
    ],
)
def test_check_names_common_mistakes(answer, remark):
    """Mistakes that any exercise can meet are named in the same words everywhere."""
    result = examine(EXERCISE, answer)

    assert result.status == "failed"
    assert " ".join(result.message.split()).endswith(f" {remark}")


def test_check_missing_super_init():
    """A class that forgets super().__init__() is told so."""

    class Forgetful(nn.Module):
        def __init__(self, net1, net2):
            self.net1 = net1

    assert "super().__init__() comes first" in examine(find("parallel_block"), Forgetful).message


# --- What an answer does to the process ------------------------------------------------------------------------------


def test_check_captures_what_is_printed(capsys):
    """What an answer prints is kept out of the notebook, and its beginning stands in the report of a failure."""

    def answer(X):
        print("shape", tuple(X.shape), "x" * 5000)
        print("to stderr", file=sys.stderr)

    result = examine(EXERCISE, answer)

    assert capsys.readouterr() == ("", "")
    assert "  printed      shape (" in result.message
    assert len(result.message) < 1000


def test_check_hides_warnings():
    """A warning does not become an error, and filters are afterwards what they were."""

    def answer(X):
        warnings.warn("careful", stacklevel=1)
        warnings.simplefilter("ignore")
        return 2 * X

    before = list(warnings.filters)

    assert examine(EXERCISE, answer)
    assert warnings.filters == before


def test_check_works_in_any_state_of_the_session():
    """A session with another dtype or device, or without gradients, changes no verdict and stays as it is."""
    exercise = find("parallel_block")
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    try:
        with torch.no_grad():
            without_gradients = examine(exercise, exercise.solution)
            assert not torch.is_grad_enabled()
        with torch.inference_mode():
            in_inference_mode = examine(exercise, exercise.solution)
            assert torch.is_inference_mode_enabled()
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_default_device() == torch.device("meta")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_default_device(None)

    assert without_gradients
    assert in_inference_mode


def test_check_names_the_setting_that_changed():
    """An answer that is right but leaves a setting changed is told which, and that it is as it was."""

    def answer(X):
        torch.set_default_dtype(torch.float64)
        return 2 * X

    result = examine(EXERCISE, answer)

    words = " ".join(result.message.split())
    assert "expected the default dtype is left as it was got your code changed the default dtype That holds" in words
    assert words.endswith(
        "That holds for everything that runs afterwards, also in code that is not yours. The check has put it back."
    )
    assert torch.get_default_dtype() == torch.float32


def test_check_survives_a_working_directory_that_is_gone(tmp_path, monkeypatch):
    """Where the learner's folder has been removed the check ends all the same, in the folder that the answer chose."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")

    def answer(X):
        os.chdir(tmp_path)
        (tmp_path / "gone").rmdir()
        return 2 * X

    result = examine(EXERCISE, answer)

    assert "your code changed the working directory" in result.message
    assert Path.cwd().samefile(tmp_path)


def test_seed_everything_seeds_all_generators():
    """Equal seeds give equal numbers from torch, Python and NumPy; other seeds give others from each."""

    def draw(seed):
        seed_everything(seed)
        return torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002  (the very generator that is meant)

    with kept_settings():
        first, again, other = draw(1), draw(1), draw(2)

    assert first == again
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_seed_everything_takes_seeds_of_any_size():
    """NumPy, which takes seeds of 32 bits only, gets the last 32 bits of a longer one."""
    with kept_settings():
        seed_everything(2**32 + 3)
        long = np.random.rand()  # noqa: NPY002
        np.random.seed(3)  # noqa: NPY002

        assert np.random.rand() == long  # noqa: NPY002


def test_check_leaves_the_learners_numbers():
    """The numbers that a learner draws next are the same with a check before them and without."""
    torch.manual_seed(5)
    random.seed(5)
    expected = torch.rand(3), random.random()
    torch.manual_seed(5)
    random.seed(5)

    examine(EXERCISE, double)

    came = torch.rand(3), random.random()
    assert torch.equal(came[0], expected[0])
    assert came[1] == expected[1]


def test_check_draws_afresh():
    """Two checks try different values, also if the answer sets the global seed; with the same seed they are equal."""
    seen = []

    def answer(X):
        torch.manual_seed(0)
        seen.append(X.clone())
        return 2 * X

    for seed in (1, 2, 1):
        examine(EXERCISE, answer, seed=seed)

    assert seen[0].shape != seen[1].shape or not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])


def test_check_tries_different_values_in_each_round():
    """A requirement is tried on other values in each of its rounds, and layers start from other values too."""
    drawn, layers = [], []

    def answer(X):
        drawn.append(X.sum().item())
        layers.append(nn.Linear(2, 2).weight.sum().item())
        return 2 * X

    assert examine(EXERCISE, answer)
    assert len(set(drawn)) == len(set(layers)) == EXERCISE.rounds


def test_check_inside_an_answer():
    """An answer that calls check itself is an answer like any other."""

    def answer(X):
        assert not examine(EXERCISE, lambda X: 3 * X)
        return 2 * X

    assert "your code changed the global seed" not in examine(EXERCISE, answer).message
    assert examine(EXERCISE, answer)


@pytest.fixture
def ctrl_c():
    """Let Ctrl-C raise KeyboardInterrupt as in a terminal; what a shell starts in the background ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def test_check_real_interrupt_ends_the_check(ctrl_c):
    """Ctrl-C is the learner's: it ends the check, with everything put back."""
    handler = signal.getsignal(signal.SIGINT)

    def answer(X):
        torch.set_default_dtype(torch.float64)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        examine(EXERCISE, answer)

    assert torch.get_default_dtype() == torch.float32
    assert signal.getsignal(signal.SIGINT) is handler


def test_check_swallowed_interrupt_ends_the_check(ctrl_c):
    """Ctrl-C ends the check also if the answer catches it."""

    def answer(X):
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            return 2 * X

    with pytest.raises(KeyboardInterrupt):
        examine(EXERCISE, answer)


def test_check_own_keyboard_interrupt_is_feedback():
    """KeyboardInterrupt that the answer raises itself is reported like any other exception."""

    def answer(X):
        raise KeyboardInterrupt("not really")

    assert "got          KeyboardInterrupt: not really" in examine(EXERCISE, answer).message


def _sleep(X):
    time.sleep(30)


def _spin(X):
    while True:
        pass


def _spin_stubbornly(X):
    for _ in range(3):
        try:
            _spin(X)
        except BaseException:
            print("caught")


needs_alarm = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no alarm; see the thread test")


@needs_alarm
@pytest.mark.parametrize("answer", [_sleep, _spin, _spin_stubbornly])
def test_check_stops_an_answer_that_runs_on(answer):
    """Sleeping, spinning, and catching the first few alarms: all end soon after the time is up."""
    started = time.monotonic()

    result = examine(EXERCISE, answer, limit_seconds=0.05)

    assert time.monotonic() - started < 5
    assert result.status == "failed"
    assert answer is _spin_stubbornly or "  expected     an answer within 0.05 seconds" in result.message
    assert answer is _spin_stubbornly or result.message.endswith(
        "\n  Is there a loop that nothing ends, or far more work than the task needs?"
    )


@needs_alarm
def test_check_keeps_an_alarm_that_was_set():
    """An alarm that the session had set still rings, with its own handler."""
    rung = threading.Event()
    former = signal.signal(signal.SIGALRM, lambda number, frame: rung.set())
    signal.setitimer(signal.ITIMER_REAL, 0.15)
    try:
        examine(EXERCISE, _sleep, limit_seconds=0.05)

        assert not rung.is_set()
        assert rung.wait(2) or rung.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def test_time_limit_needs_no_alarm(monkeypatch):
    """On a system without alarms, as Windows is, the watchdog takes their place in the main thread too."""
    monkeypatch.delattr(signal, "setitimer", raising=False)
    names = []

    with pytest.raises(TimeIsUp):
        run_within(0.05, lambda: [names.append(thread.name) for thread in threading.enumerate()] and _spin(None))

    assert len(names) > threading.active_count()


def test_check_in_a_thread_stops_an_answer_that_spins():
    """Where there is no alarm, as in any thread but the main one, a watchdog ends Python code."""
    results = []
    thread = threading.Thread(target=lambda: results.append(examine(EXERCISE, _spin, limit_seconds=0.05)))

    thread.start()
    thread.join(10)

    assert not thread.is_alive()
    assert "it was still running, and was stopped" in results[0].message


PROBE = """
import sys, threading, time
from d2lcompute.exercises.sandbox.stop import TimeIsUp, run_within

def swallow():
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        try:
            while time.monotonic() < end: pass
        except BaseException:
            pass

def spin():
    while True: pass

def fail():
    raise ValueError

def last_moment():
    end = time.monotonic() + 0.02
    while time.monotonic() < end: pass

def work():
    close_calls = [(0.02 + k / 1e5, last_moment) for k in range(-20, 20)]
    for _ in range(3):
        for seconds, task in ((5, int), (0.05, swallow), (0.05, spin), (5, fail), *close_calls):
            try:
                run_within(seconds, task)
            except (TimeIsUp, ValueError):
                pass
    sys.settrace(lambda *_: None)
    (lambda: 1)()
    sys.settrace(None)
    time.sleep(0.2)
    ended.append(threading.active_count())

ended = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(ended)
"""


def test_check_in_a_thread_leaves_nothing_pending():
    """However an answer ends, no exception is on its way afterwards, and a traced function returns."""
    command = [sys.executable, "-c", PROBE]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("[2]\n", "")


def test_check_in_a_thread_leaves_no_watchdog():
    """The watchdog goes home with the check."""
    counts = []

    def work():
        before = threading.active_count()
        examine(EXERCISE, double)
        counts.extend((before, threading.active_count()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5)

    assert counts[0] == counts[1]


def test_check_in_a_thread_passes():
    """A check in another thread ends as in the main one, and leaves no exception behind."""
    results = []

    def work():
        results.extend(examine(EXERCISE, double, limit_seconds=0.5) for _ in range(3))
        time.sleep(0.6)
        results.append("still alive")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)

    assert all(results[:3])
    assert results[3] == "still alive"


# --- Names -----------------------------------------------------------------------------------------------------------


def test_check_unknown_name_suggests_a_near_one():
    """A misspelt name is answered with those that are near."""
    with pytest.raises(ValueError, match=r"got 'paralel_blok': did you mean 'parallel_block'"):
        check("paralel_blok", None)


def test_check_unknown_name_lists_all():
    """A name that is near none is answered with the list."""
    with pytest.raises(ValueError, match=r"got 'xyz': the exercises are .*parallel_block"):
        check("xyz", None)


def test_check_name_must_be_text():
    """An answer in the name's place is a TypeError that shows the right order."""
    with pytest.raises(
        TypeError, match=r"as in check\(\"parallel_block\", ParallelBlock\); got an object of type type"
    ):
        check(nn.Linear, "parallel_block")


def test_import_is_lazy():
    """The package imports no exercise, the exercises' module none, and a check only its own."""
    code = """
        import sys
        import d2lcompute
        assert not any(name.startswith("d2lcompute.exercises") for name in sys.modules)
        from d2lcompute.exercises import check, progress
        progress()
        def loaded():
            parts = [name.split(".") for name in sys.modules if name.startswith("d2lcompute.exercises.lessons.")]
            return [name[-1] for name in parts if len(name) == 5]
        assert loaded() == [], loaded()
        check("parallel_block", None)
        assert loaded() == ["parallel_block"], loaded()
    """

    run = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)

    assert run.returncode == 0, run.stderr


# --- Hints and solutions ---------------------------------------------------------------------------------------------


def test_hint_goes_from_one_to_three_and_stays():
    """Each call gives the next hint; the last one stays, and tells of the solution."""
    hints = find("parallel_block").hints

    texts = [repr(hint("parallel_block")) for _ in range(4)]

    assert texts[0] == f"Hint 1 of 3: {hints[0]}"
    assert texts[1] == f"Hint 2 of 3: {hints[1]}"
    assert texts[2] == f'Hint 3 of 3: {hints[2]}\nThis is the last one. solution("parallel_block") shows a solution.'
    assert texts[3] == texts[2]


def test_hint_counts_each_exercise_by_itself():
    """A hint for one exercise takes none from another."""
    hint("parallel_block")

    assert repr(hint("block_factory")).startswith("Hint 1 of 3")


def test_solution_says_why():
    """Under the source stands why it works, as comments, so that all of it can be pasted."""
    source, _, why = repr(solution("parallel_block")).partition("\n\n# ")

    assert source.startswith("class ParallelBlock(nn.Module):")
    assert why.startswith("Why it works: A module that is assigned to an attribute is registered")
    assert all(line.startswith("# ") for line in why.split("\n")[1:])


def test_solution_of_a_value_is_an_assignment():
    """A solution that is a value is shown as the cell that sets it."""
    assert repr(solution("first_size_only")).startswith("first_size_only = ['0.weight', '0.bias']\n")


def test_solution_unknown_name():
    """Hints and solutions know the same names as checks."""
    for ask in (hint, solution):
        with pytest.raises(ValueError, match="did you mean 'block_factory'"):
            ask("block_facory")


# --- Progress --------------------------------------------------------------------------------------------------------


def _pass(name):
    return check(name, find(name).solution)


def test_progress_shows_a_table(data_folder):
    """A row for each notebook, with a bar; where one has begun, what is still open."""
    _pass("why_share")

    rows = repr(progress()).split("\n")

    count = len(names()["02_parameters"])
    row = next(row for row in rows if row.startswith("02_parameters"))
    assert len(rows) == len(names()) + 1
    assert f"   1 of {count:>2}  open: " in row
    assert "nest_mlp_shapes" in row
    assert "why_share" not in row
    assert rows[-1].startswith("all ")
    assert f"   1 of {sum(map(len, names().values())):>2}" in rows[-1]


def test_progress_bar_is_full_when_all_are_passed(data_folder):
    """A notebook whose exercises are all passed has a full bar, and nothing open."""
    for name in names()["04_lazy_initialization"]:
        store.record(name)

    row = next(row for row in repr(progress()).split("\n") if row.startswith("04_lazy"))
    assert "##########" in row
    assert "open" not in row


def test_progress_without_exercises(data_folder, monkeypatch):
    """Where there is no exercise at all, there is an empty bar."""
    monkeypatch.setattr("d2lcompute.exercises.learner.progress.names", dict)

    assert repr(progress()) == "all  ----------   0 of  0"


def test_progress_is_kept(data_folder):
    """What is passed is in a file, sorted; failing and trying again change nothing."""
    _pass("why_share")
    _pass("list_blocks")
    _pass("why_share")
    check("parallel_block", 3)

    assert json.loads((data_folder / "progress.json").read_text()) == {
        "format": 1,
        "passed": ["list_blocks", "why_share"],
    }
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]


def test_progress_reset(data_folder):
    """Reset forgets all that was passed."""
    _pass("why_share")

    table = progress(reset=True)

    assert " 0 of " in repr(table).split("\n")[-1]
    assert json.loads((data_folder / "progress.json").read_text())["passed"] == []


def test_progress_keeps_names_it_does_not_know(data_folder):
    """An exercise of another version stays in the file, and is not counted."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text('{"format": 1, "passed": ["of_tomorrow"]}')

    _pass("why_share")

    assert json.loads((data_folder / "progress.json").read_text())["passed"] == ["of_tomorrow", "why_share"]
    assert " 1 of " in repr(progress()).split("\n")[-1]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"passed": 3}', b'{"passed": [3]}', b"\xff\xfe", b"[" * 100_000]
)
def test_progress_sets_a_damaged_file_aside(data_folder, content):
    """A damaged file is renamed, byte for byte the same, with a message; then a new one begins."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_bytes(content)

    result = _pass("why_share")

    assert result
    assert "The record of progress was damaged. It is now called progress.damaged-1.json" in result.message
    assert (data_folder / "progress.damaged-1.json").read_bytes() == content
    assert repr(progress()).split("\n")[-1].startswith("all ")
    assert " 1 of " in repr(progress()).split("\n")[-1]


@pytest.mark.parametrize(("length", "passed"), [(1_000_000, 1), (1_000_001, 0)])
def test_progress_reads_no_file_that_is_far_too_long(data_folder, length, passed):
    """A file of more than a million characters is no record of progress, even if it begins like one."""
    data_folder.mkdir()
    (data_folder / "progress.json").write_text('{"format": 1, "passed": ["why_share"]}'.ljust(length))

    row = next(row for row in repr(progress()).split("\n") if row.startswith("all "))

    assert f" {passed} of " in row
    assert (data_folder / "progress.damaged-1.json").exists() == (not passed)


def test_progress_sets_each_damaged_file_aside(data_folder):
    """A second damaged file does not replace the first."""
    data_folder.mkdir()

    for content in ("one", "two"):
        (data_folder / "progress.json").write_text(content)
        assert "was damaged" in repr(progress())

    assert (data_folder / "progress.damaged-1.json").read_text() == "one"
    assert (data_folder / "progress.damaged-2.json").read_text() == "two"


def test_progress_without_a_folder_goes_on_in_memory(data_folder):
    """Where nothing can be written, progress lasts until the session ends, and the message says what to do."""
    data_folder.write_text("a file where the folder should be")

    result = _pass("why_share")
    table = repr(progress())

    assert result
    for text in (result.message, table):
        assert "Progress is kept only until this session ends" in text
        assert "Set the environment variable D2LCOMPUTE_DATA to a folder of yours to keep it." in text
    assert " 1 of " in table.split("\n")[-2]
    assert data_folder.read_text() == "a file where the folder should be"
    assert " 0 of " in repr(progress(reset=True)).split("\n")[-2]


def test_progress_without_a_home(tmp_path, monkeypatch):
    """A user without a home gets no folder called ~ in the working directory."""
    monkeypatch.delenv("D2LCOMPUTE_DATA")
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *args, **kwargs: "~/.local/share/d2lcompute")
    monkeypatch.chdir(tmp_path)

    result = _pass("why_share")

    assert "Progress is kept only until this session ends" in result.message
    assert " 1 of " in repr(progress()).split("\n")[-2]
    assert list(tmp_path.iterdir()) == []


def test_progress_is_in_the_users_data_folder(tmp_path, monkeypatch):
    """Without the environment variable the file lies where the system keeps a program's data."""
    monkeypatch.delenv("D2LCOMPUTE_DATA")
    asked = []

    def user_data_dir(name, appauthor):
        asked.append((name, appauthor))
        return str(tmp_path / name)

    monkeypatch.setattr("platformdirs.user_data_dir", user_data_dir)

    _pass("why_share")

    assert set(asked) == {("d2lcompute", False)}, "on Windows anything but False adds a folder for the author"
    assert (tmp_path / "d2lcompute" / "progress.json").exists()


def test_progress_is_written_in_one_step(data_folder, monkeypatch):
    """If writing fails at the last moment the old file is there as it was, and no half of a new one."""
    _pass("why_share")
    before = (data_folder / "progress.json").read_bytes()

    def refuse(source, target):
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr("os.replace", refuse)
    result = _pass("list_blocks")

    assert "cannot be used (PermissionError)" in result.message
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]
    assert (data_folder / "progress.json").read_bytes() == before
    assert " 2 of " in repr(progress()).split("\n")[-1]


def test_progress_is_written_beside_the_file_under_a_lock(tmp_path, monkeypatch):
    """The new file grows in the old one's folder, which is made if it is missing, while a lock keeps others away."""
    folder = tmp_path / "new" / "folders"
    monkeypatch.setenv("D2LCOMPUTE_DATA", str(folder))
    replace, seen = os.replace, []

    def spy(source, target):
        seen.append((Path(source).parent, Path(source).suffix, (folder / "progress.lock").is_dir()))
        replace(source, target)

    monkeypatch.setattr("os.replace", spy)
    _pass("why_share")

    assert seen == [(folder, ".part", True)]
    assert [file.name for file in folder.iterdir()] == ["progress.json"]


def test_progress_waits_for_a_lock_but_not_for_ever(data_folder, monkeypatch):
    """A lock that nobody takes away, since its process died, is taken for one's own after a while."""
    (data_folder / "progress.lock").mkdir(parents=True)
    monkeypatch.setattr(store, "_WAIT_SECONDS", 0.05)
    started = time.monotonic()

    _pass("why_share")

    assert 0.05 <= time.monotonic() - started < 5
    assert [file.name for file in data_folder.iterdir()] == ["progress.json"]


# --- Comparing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (torch.ones(2), torch.ones(2)),
        (torch.ones(2) + 1e-6, torch.ones(2)),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")])),
        (torch.tensor([1, 2]), torch.tensor([1, 2])),
        (torch.tensor([1j]), torch.tensor([1j])),
        (torch.tensor([True]), torch.tensor([True])),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (1.0 + 1e-7, 1.0),
        ([1, (2, "a")], [1, (2, "a")]),
        ({"a": torch.ones(1)}, {"a": torch.ones(1)}),
        (torch.Size([2, 3]), (2, 3)),
        (None, None),
    ],
)
def test_difference_none(came, expected):
    """Equal things, and numbers that differ by rounding, do not differ."""
    assert difference(came, expected) is None


@pytest.mark.parametrize(
    ("came", "expected", "words"),
    [
        (torch.zeros(2), torch.ones(2), ("1 at [0]", "0 at [0] (all values differ)")),
        (torch.tensor([1.0, 3.0]), torch.tensor([1.0, 2.0]), ("2 at [1]", "3 at [1] (1 of 2 values differ)")),
        (
            torch.ones(2, 1),
            torch.ones(2),
            ("a tensor of shape (2,), torch.float32", "a tensor of shape (2, 1), torch.float32"),
        ),
        (
            torch.ones(1).double(),
            torch.ones(1),
            ("a tensor of shape (1,), torch.float32", "a tensor of shape (1,), torch.float64"),
        ),
        (torch.tensor([float("nan")]), torch.ones(1), ("1 at [0]", "nan at [0] (all values differ)")),
        (torch.ones(1).double() + 1e-6, torch.ones(1).double(), ("1 at [0]", "1 at [0] (all values differ)")),
        ([1.0], torch.ones(1), ("a tensor of shape (1,), torch.float32", "[1.0]")),
        (True, 1, ("1", "True")),
        (1, True, ("True", "1")),
        (1, 1.0, ("1.0", "1")),
        (float("nan"), 1.0, ("1.0", "nan")),
        ([1, 2], [1, 2, 3], ("3 items: [1, 2, 3]", "2 items: [1, 2]")),
        ([1, 2], [1], ("1 item: [1]", "2 items: [1, 2]")),
        ([1, 5], [1, 2], ("item 1: 2", "item 1: 5")),
        ([1], (1,), ("(1,)", "[1]")),
        ({"b": 1}, {"a": 1}, ("the key 'a'", "no such key, only ['b']")),
        ({"a": 1, "b": 2}, {"a": 1}, ("the keys ['a']", "also the key 'b'")),
        ({"b": 1, "a": 1}, {"a": 1, "b": 1}, ("the order ['a', 'b']", "the order ['b', 'a']")),
        ({"a": 2}, {"a": 1}, ("'a': 1", "'a': 2")),
        (None, 1, ("1", "None")),
    ],
)
def test_difference_says_what_and_where(came, expected, words):
    """A difference is told in two short texts, with its place."""
    assert difference(came, expected) == words


def test_shown_survives_a_repr_that_raises():
    """What cannot be shown is called by its type."""

    class Unshowable:
        def __repr__(self):
            raise ZeroDivisionError

    assert shown(Unshowable()) == "an object of type Unshowable (its repr raises ZeroDivisionError)"
    assert shown([Unshowable()]) == "an object of type list (its repr raises ZeroDivisionError)"


def test_shown_is_short():
    """Tensors are shown by shape and dtype, long things cut, line breaks taken out."""
    assert shown(torch.zeros(100, 100)) == "a tensor of shape (100, 100), torch.float32"
    assert shown(torch.tensor(2.5)) == "the tensor 2.5"
    assert shown(torch.tensor(1 / 3)) == "the tensor 0.333333"
    assert shown(torch.tensor(12345678)) == "the tensor 12345678"
    assert shown(torch.tensor(True)) == "the tensor True"
    assert shown(torch.tensor(1.0, device="meta")) == "a tensor of shape (), torch.float32"
    assert shown([torch.zeros(3)]) == "[a tensor of shape (3,), torch.float32]"
    assert shown(nn.Linear) == "the class Linear"
    assert len(shown("x" * 10_000)) < 200
    assert len(shown(list(range(10_000)))) < 200
    assert "\n" not in shown(nn.Sequential(nn.ReLU(), nn.ReLU()))
    assert shorten("a" * 200, 10) == "aaaaaa ..."
    assert shorten("a" * 10, 10) == "a" * 10
    assert shorten("a" * 161) == "a" * 156 + " ..."


def test_shorten_looks_at_no_more_than_it_needs():
    """Of a text that may be of any length the first part is read, four times as much as is shown."""
    assert shorten(" " * 39 + "x", 10) == "x"
    assert shorten(" " * 40 + "x", 10) == ""


def test_plain_text_survives_a_str_that_raises():
    """An exception without words is called by its name."""

    class SilentError(Exception):
        def __str__(self):
            raise ValueError

    assert plain_text(SilentError()) == "SilentError"
    assert plain_text(KeyError("x")) == "KeyError: 'x'"


# --- Forms and trials ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        (a_module_class, nn.Linear),
        (a_function, print),
        (a_function, lambda: 1),
        (functions("save", "load"), (print, print)),
        (a_dict(a=bool, b=int, c=float), {"a": True, "b": 1, "c": 2}),
        (a_list(str), []),
        (a_list(str), ["a"]),
        (a_value(float), 1.5),
        (a_value(bool), False),
    ],
)
def test_form_accepts(form, answer):
    """An answer of the right kind passes its form."""
    assert form(answer, Trial(0)) is None


CLASS_ITSELF = "Hand over the class itself, without parentheses: the check builds its own instances."
A_CLASS = "Write class Name(nn.Module): what derives from nn.Module is called, moved and saved like any layer."
FUNCTION_ITSELF = "Hand over the function itself, without parentheses: the check calls it with inputs of its own."
TOGETHER = "Hand them over together, in parentheses."
KEYS = "Keep the keys of the stub, and replace each ... by what you observed."
OTHER_KIND = "The value is of another kind than the task asks for."
LINEAR = "Linear(in_features=1, out_features=1, bias=True)"


@pytest.mark.parametrize(
    ("form", "answer", "expected", "came", "remark"),
    [
        (a_module_class, nn.Linear(1, 1), "a class derived from nn.Module", LINEAR, CLASS_ITSELF),
        (a_module_class, int, "a class derived from nn.Module", "the class int", A_CLASS),
        (a_module_class, 3, "a class derived from nn.Module", "3", A_CLASS),
        (a_function, nn.Linear(1, 1), "a function", LINEAR, FUNCTION_ITSELF),
        (a_function, nn.Linear, "a function", "the class Linear", FUNCTION_ITSELF),
        (a_function, 3, "a function", "3", FUNCTION_ITSELF),
        (functions("save", "load"), 3, "the tuple of functions (save, load)", "3", TOGETHER),
        (functions("save", "load"), (1, 2, 3), "the tuple of functions (save, load)", "(1, 2, 3)", TOGETHER),
        (functions("save", "load"), (print, 3), "a function as load", "3", FUNCTION_ITSELF),
        (functions("save", "load"), [3, print], "a function as save", "3", FUNCTION_ITSELF),
        (a_dict(a=int), 3, "a dict with the keys 'a'", "3", KEYS),
        (a_dict(a=int, b=int), {"b": 1}, "a dict with the keys 'a', 'b'", "a dict with the keys ['b']", KEYS),
        (a_dict(a=int), {"a": True}, "'a': an integer", "'a': True", OTHER_KIND),
        (a_dict(a=bool), {"a": 1}, "'a': True or False", "'a': 1", OTHER_KIND),
        (a_dict(a=float), {"a": "1"}, "'a': a number", "'a': '1'", OTHER_KIND),
        (a_dict(a=str), {"a": ValueError}, "'a': a string", "'a': the class ValueError", "Write the name in quotes."),
        (a_dict(a=int), {"a": ValueError}, "'a': an integer", "'a': the class ValueError", OTHER_KIND),
        (a_dict(a=int, b=int), {"a": ..., "b": 1}, "'a': an integer", "'a': Ellipsis", "This one is still open."),
        (a_dict(a=int), {"a": None}, "'a': an integer", "'a': None", "This one is still open."),
        (a_list(str), "ab", "a list of str", "'ab'", "Hand over a list: [..., ...]."),
        (a_list(str), ["a", 1], "item 1: a string", "item 1: 1", OTHER_KIND),
        (a_value(int), "3", "an integer", "'3'", OTHER_KIND),
        (a_value(list), "3", "list", "'3'", OTHER_KIND),
    ],
)
def test_form_rejects(form, answer, expected, came, remark):
    """An answer of another kind is told what was expected, what came, and what to change."""
    with pytest.raises(Counterexample) as found:
        form(answer, Trial(0))

    assert (found.value.expected, found.value.got, found.value.remark) == (expected, came, remark)


@pytest.mark.parametrize(
    ("form", "needed"),
    [
        (functions("save", "load"), "The answer is a tuple of functions: (save, load)."),
        (a_dict(a=int, b=int), "The answer is a dict with the keys 'a', 'b'."),
        (a_list(str), "The answer is a list of str."),
        (a_value(float), "The answer is a number."),
    ],
)
def test_form_says_what_is_needed(form, needed):
    """A form that is made has the sentence that the report shows."""
    assert form.__doc__ == needed


def test_counterexample_says_all_of_it():
    """Where nobody turns it into a report, a counter-example's own text says what was expected, what came, and why."""
    found = Counterexample(expected="this", got="that", remark="So it is.")

    assert found.args == ("this", "that", "So it is.")


def test_trial_draws_by_its_seed():
    """Equal seeds draw equal things, whatever the global generators do; other seeds draw others."""

    def draw(seed):
        trial = Trial(seed)
        torch.rand(seed + 1)
        random.random()
        return trial.sizes(3), trial.size(1, 1000), trial.choice("abcdef"), trial.dtype(), trial.tensor(2, 3).tolist()

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


def test_trial_sizes_all_differ():
    """Sizes that are drawn together are different ones, within their bounds."""
    for seed in range(20):
        sizes = Trial(seed).sizes(5, 2, 6)

        assert sorted(sizes) == [2, 3, 4, 5, 6]


def test_trial_draws_each_size():
    """Without bounds a size is one from 2 to 6, and sizes that differ are from 2 to 9; each of them is drawn."""
    trial = Trial(0)

    assert {trial.size() for _ in range(200)} == set(range(2, 7))
    assert {trial.size(3, 4) for _ in range(50)} == {3, 4}
    assert {size for _ in range(200) for size in trial.sizes(2)} == set(range(2, 10))


def test_trial_draws_both_dtypes():
    """A dtype is single or double precision, and a tensor has the one that was asked for."""
    trial = Trial(0)

    assert {trial.dtype() for _ in range(50)} == {torch.float32, torch.float64}
    assert trial.tensor(2, dtype=torch.float64).dtype == torch.float64


def test_trial_folder_is_gone_afterwards():
    """A trial's folder is there while it lasts, bears our name, and can be written to."""
    with Trial(0) as trial:
        folder = trial.folder()
        assert folder.name.startswith("d2lcompute-")
        (folder / "file").write_text("x")
        assert folder.is_dir()

    assert not folder.exists()


def test_trial_folder_may_stay(tmp_path, monkeypatch):
    """A folder that the system will not remove, since the answer has left a file open in it, is no error."""

    def refuse(*args, **kwargs):
        raise OSError(16, "in use")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with monkeypatch.context() as patched, Trial(0) as trial:
        folder = trial.folder()
        patched.setattr("os.rmdir", refuse)

    assert folder.is_dir()


@pytest.mark.parametrize(
    ("came", "what", "words"),
    [
        (3, "the count", ("the count: 2", "the count: 3", "Think.")),
        (4, "the count", ("the count: 2", "the count: 4", "The square is taken.")),
        (8, "", ("2", "8", "The cube is taken.")),
        (None, "", ("2", "None", "It gave None: is a return missing?")),
    ],
)
def test_trial_same_names_the_value_and_the_mistake(came, what, words):
    """Both sides are called by the value's name, and the mistake that fits replaces the nudge."""
    trial = Trial(0)
    trial.plan("something", nudge="Think.")

    with pytest.raises(Counterexample) as found:
        trial.same(came, 2, what=what, mistakes={"The square is taken.": 4, "The cube is taken.": 8})

    assert (found.value.expected, found.value.got, found.value.remark) == words


def test_trial_call_tells_of_changed_tensors():
    """A drawn tensor that is written into is a finding, also if it was not among the arguments."""
    trial = Trial(0)
    first, second = trial.tensor(2), trial.tensor(2)

    assert trial.call(lambda *args, **options: (args, options), first, scale=3) == ((first,), {"scale": 3})
    with pytest.raises(Counterexample) as found:
        trial.call(second.zero_)

    assert found.value.expected == "the tensor that was handed over is left as it was"
    assert found.value.got == "its values were changed in place"


def test_trial_require_describes_what_came():
    """What came is described if it is no text, and the nudge stands in for a remark."""
    trial = Trial(0)
    trial.plan("something", nudge="Think.")

    with pytest.raises(Counterexample) as found:
        trial.require(False, expected="a module", got=torch.zeros(2))

    assert found.value.expected == "a module"
    assert (found.value.got, found.value.remark) == ("a tensor of shape (2,), torch.float32", "Think.")


def test_trial_require_takes_words_as_they_are():
    """What came stands as it is if it is text, and a remark replaces the nudge."""
    trial = Trial(0)
    trial.plan("something", nudge="Think.")

    with pytest.raises(Counterexample) as found:
        trial.require(False, expected="a file", got="none", remark="It was never closed.")

    assert (found.value.got, found.value.remark) == ("none", "It was never closed.")


# --- Chinese text ----------------------------------------------------------------------------------------------------


def test_report_wraps_chinese_text_by_its_width():
    """A Chinese letter takes two columns: no line of a report is wider than the others, and none loses a letter."""
    text = "输出的形状必须与输入的形状相同" * 10

    result = examine(failing(expected=text, got="that", remark=text), double)

    lines = result.message.split("\n")
    assert max(map(wcwidth.width, lines)) <= 100
    assert "".join(line.strip() for line in lines[1:5]).removeprefix("expected").strip() == text


def test_progress_aligns_chinese_names(monkeypatch):
    """The bars of the table begin in one column of the screen, whatever script a notebook's name is in."""
    monkeypatch.setattr(
        "d2lcompute.exercises.learner.progress.names", lambda: {"01_块": ("a",), "02_parameters": ("b",)}
    )

    lines = repr(progress()).split("\n")

    assert len({wcwidth.width(line[: line.index("----------")]) for line in lines}) == 1
