"""Results: what a check answers, how a report is laid out, and what it says of an exception."""

import dataclasses
import logging
import sys

import pytest
from torch import nn

from d2lcompute import exercises
from d2lcompute.exercises import CheckResult, check
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.registry import find
from tests.exercises.framework.exercise_framework_support import EXERCISE, double, failing


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
        '✓ parallel_block: passed. solution("parallel_block") shows one way to do it, and why it works.\n'
        "Next: list_blocks."
    )


def test_check_failed_message():
    """A report shows what is needed, what was tried, expected and came, and names a mistake that it recognises."""
    result = examine(EXERCISE, lambda X: X**2, seed=6)

    assert result.status == "failed"
    head, needed, tried, expected, came, remark = result.message.split("\n")
    assert head == "✗ double: not yet"
    assert needed == "  requirement  The result is twice the input."
    assert tried.startswith("  input        double on X of shape (")
    assert expected.startswith("  expected     ")
    assert came.startswith("  got          ")
    assert remark == "  The square is taken."


def test_check_nudges_where_it_knows_no_mistake():
    """A mistake that is not recognised gets the nudge of the plan."""
    assert examine(EXERCISE, lambda X: 3 * X).message.endswith("  How often does the value go in?")


def test_check_reports_only_what_there_is_to_say():
    """A requirement without words and a trial without a plan leave no empty entries."""
    result = examine(failing(expected="this", got="that", remark="So it is."), double)

    assert result.message == "✗ double: not yet\n  expected     this\n  got          that\n  So it is."


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
