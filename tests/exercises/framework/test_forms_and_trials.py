"""Forms and trials: what kind of thing an answer is, and what it is tried on; Chinese text."""

import random
import tempfile

import pytest
import torch
import wcwidth
from torch import nn

from d2lcompute.exercises import progress
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.forms import a_dict, a_function, a_list, a_module_class, a_value, functions
from d2lcompute.exercises.checking.trial import Counterexample, Trial
from tests.exercises.framework.exercise_framework_support import double, failing


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
