"""What an answer does to the process: settings, output, interrupts, endless loops, threads."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.registry import find
from d2lcompute.exercises.sandbox.settings import kept_settings, seed_everything
from d2lcompute.exercises.sandbox.stop import TimeIsUp, run_within
from tests.exercises.framework.exercise_framework_support import EXERCISE, double


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
