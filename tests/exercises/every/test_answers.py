"""Every exercise: its solution passes, its wrong answers and all hostile ones are told so."""

import dataclasses
import inspect
import os
import random
import sys
import warnings

import pytest
import torch
from torch import nn

from d2lcompute.exercises import hint, solution
from d2lcompute.exercises.checking.compare import shown
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.trial import Trial
from d2lcompute.exercises.registry import find
from tests.exercises.every.exercises_support import (
    NAMES,
    flaws,
    gaps,
)
from tests.exercises.wrong_answers import wrong_answers

CALLED = [name for name in NAMES if callable(find(name).solution) or isinstance(find(name).solution, tuple)]


WRONG = [(name, number) for name in NAMES for number in range(len(wrong_answers(name)))]


REWRITTEN = {"bytes_on", "mean_of_losses", "nest_mlp_shapes", "resume_training", "snapshot", "two_gpus"}


GIVING_NONE = {"broadcast_shape", "gradient_at", "mismatched_sizes", "safe_load", "share_loss"}


@pytest.fixture
def heard(monkeypatch):
    """All that requirements have for the learner, with its kind: also what they say only if something goes wrong."""
    kept = []

    class Listening(Trial):
        def __init__(self, seed):
            super().__init__(seed)
            self.results = set()  # their identities: kept alive, they would look like kept by the answer

        def __setattr__(self, name, value):
            if name in ("input", "nudge"):
                kept.append((name, value))
            super().__setattr__(name, value)

        def call(self, function, *args, **kwargs):
            result = super().call(function, *args, **kwargs)
            self.results.add(id(result))
            return result

        def same(self, came, expected, *, what="", mistakes=None):
            if not what and id(came) not in self.results:
                kept.append(("unnamed", shown(came)))
            kept.extend([("what", what), *(("remark", remark) for remark in mistakes or ())])
            super().same(came, expected, what=what, mistakes=mistakes)

        def require(self, condition, *, expected, got, remark=""):
            words = got if (got is None and condition) or isinstance(got, str) else shown(got)
            kept.extend([("expected", expected), ("got", words), ("remark", remark)])
            super().require(condition, expected=expected, got=got, remark=remark)

        # Without these defaults a slip of the requirement's would be reported like one of the answer's.
        def fail(self, *, expected=None, got=None, remark=""):
            kept.extend([("expected", expected), ("got", got), ("remark", remark)])
            super().fail(expected=expected, got=got, remark=remark)

    monkeypatch.setattr("d2lcompute.exercises.checking.examine.Trial", Listening)
    return kept


def flaws_of(heard, name):
    """Return the flaws of all that was heard from an exercise's requirements."""
    fine = {("got", None)} if name in GIVING_NONE else set()
    told = {(kind, text) for kind, text in heard if kind != "unnamed" or name not in REWRITTEN}
    return {flaw for kind, text in told - fine for flaw in flaws(kind, text)}


@pytest.mark.parametrize("name", NAMES)
def test_solution_passes(name, heard):
    """The solution passes, whatever is drawn, and what other answers would be told is well formed."""
    exercise = find(name)

    results = [examine(exercise, exercise.solution, seed=1000 * seed) for seed in range(6)]

    assert [str(result) for result in results if not result] == []
    assert flaws_of(heard, name) == set()


@pytest.mark.parametrize("name", NAMES)
def test_shown_solution_passes(name):
    """What the learner is shown is the source of the solution that is tested, and works where it is pasted."""
    exercise = find(name)
    shown = repr(solution(name))

    answer = _answer_from(shown, exercise)

    for part in exercise.solution if isinstance(exercise.solution, tuple) else (exercise.solution,):
        if callable(part):
            assert inspect.getsource(part) in shown + "\n"
    assert examine(exercise, answer), "a solution may use torch, nn, what is given, and what it imports itself"


@pytest.mark.parametrize("name", NAMES)
def test_stub_counts_as_not_attempted(name):
    """A stub that nobody has filled in is answered with a fixed line, which notebooks store."""
    exercise = find(name)

    result = examine(exercise, _answer_from(exercise.stub, exercise))

    assert result.status == "not attempted"
    assert repr(result) == f'{name}: not attempted yet. hint("{name}") gives a first hint.'


@pytest.mark.parametrize(("name", "number"), WRONG)
def test_wrong_answer_is_rejected_with_its_remark(name, number, heard):
    """A wrong answer fails, whatever is drawn, and the report is complete, well formed, and names its mistake."""
    exercise = find(name)
    wrong = wrong_answers(name)[number]

    results = [examine(exercise, wrong.answer, seed=1000 * seed) for seed in range(3)]

    for result in results:
        assert result.status == "failed", result
        assert wrong.remark in " ".join(result.message.split()), result
        assert gaps(result.message, none_is_a_value=name in GIVING_NONE) == [], result
    assert flaws_of(heard, name) == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_requirement_is_needed(name):
    """Without any single requirement some wrong answer would pass: none is redundant."""
    assert redundant_requirements(find(name)) == []


def redundant_requirements(exercise):
    """Name the requirements that are the only one to reject no wrong answer at all."""
    rejecting = [
        [each for each in exercise.requirements if not examine(exercise, wrong.answer, seed=0, requirements=(each,))]
        for wrong in wrong_answers(exercise.name)
    ]
    return [each.__name__ for each in exercise.requirements if [each] not in rejecting]


def test_redundant_requirements_finds_one():
    """The search for redundant requirements finds one that only repeats what another asks."""

    def asks_again(answer, trial):
        """The outputs stand side by side once more."""
        exercise.requirements[0](answer, trial)

    exercise = find("parallel_block")
    doubled = dataclasses.replace(exercise, requirements=(*exercise.requirements, asks_again))

    assert "asks_again" in redundant_requirements(doubled)


class Unshowable:
    """An answer that cannot even be looked at."""

    def __repr__(self):
        raise RuntimeError("no repr")

    def __eq__(self, other):
        raise RuntimeError("no comparison")

    __hash__ = None

    @property
    def __class__(self):
        raise RuntimeError("no class")


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class OddError(BaseException):
    pass


VALUES = [
    42,
    "text",
    float("nan"),
    True,
    [],
    {},
    (1, 2),
    {"forward_works": Unshowable()},
    Unshowable(),
    [Unshowable()],
    torch.tensor(float("nan")),
    nn.Linear(2, 2),
    int,
    NotImplementedError,
]


def _raise(error):
    raise error


def _recurse():
    return _recurse()


def _print_a_lot():
    for _ in range(2000):
        print("<b>" + "x" * 100)
    sys.stdout.close()


BEHAVIOURS = {
    "returns None": lambda: None,
    "returns text": lambda: "text",
    "returns NaN": lambda: torch.tensor(float("nan")),
    "returns something unshowable": Unshowable,
    "raises": lambda: _raise(ValueError("on purpose")),
    "raises what has no text": lambda: _raise(UnspeakableError()),
    "raises what is no Exception": lambda: _raise(OddError("on purpose")),
    "exits": lambda: sys.exit(1),
    "raises KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "raises StopIteration": lambda: _raise(StopIteration()),
    "recurses": _recurse,
    "runs out of memory": lambda: _raise(MemoryError()),
    "prints": _print_a_lot,
    "warns": lambda: warnings.warn("on purpose", stacklevel=1),
    "silences warnings": lambda: warnings.simplefilter("ignore"),
    "reseeds": lambda: (torch.manual_seed(1), random.seed(1)),
}


CHANGES = {
    "the global seed": lambda folder: torch.manual_seed(1),
    "the default dtype": lambda folder: torch.set_default_dtype(torch.float64),
    "the default device": lambda folder: torch.set_default_device("meta"),
    "the grad mode": lambda folder: torch.set_grad_enabled(False),
    "the number of threads": lambda folder: torch.set_num_threads(torch.get_num_threads() + 1),
    "the working directory": os.chdir,
}


@pytest.mark.parametrize("name", NAMES)
def test_check_survives_any_value(name):
    """A value of the wrong kind gets feedback, also one that raises when it is looked at."""
    for value in VALUES:
        result = examine(find(name), value)

        assert result.status == "failed", value
        assert result.message.startswith(f"✗ {name}: not yet\n")


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_check_survives_any_behaviour(name, behaviour):
    """An answer that misbehaves when it is called gets feedback, and nothing of it is left."""
    exercise = find(name)

    for answer in _misbehaving(exercise.solution, BEHAVIOURS[behaviour]):
        result = examine(exercise, answer)

        assert result.status == "failed", result
        assert len(result.message) < 2000


@pytest.mark.parametrize("name", CALLED)
def test_check_stops_what_never_ends(name):
    """An answer that runs on is stopped when its time is up, and the report says so."""
    exercise = find(name)

    def spin():
        while True:
            pass

    result = examine(exercise, _misbehaving(exercise.solution, spin)[-1], limit_seconds=0.05)

    assert result.status == "failed"
    assert "it was still running, and was stopped" in result.message


@pytest.mark.parametrize("name", CALLED)
@pytest.mark.parametrize("setting", CHANGES)
def test_check_tells_of_changed_settings(name, setting, tmp_path):
    """An answer that is right but changes a setting of the whole process is told so, and the setting is put back."""
    exercise = find(name)
    changing = _before(exercise.solution, lambda: CHANGES[setting](tmp_path))

    result = examine(exercise, changing)

    assert result.status == ("passed" if setting in exercise.may_change else "failed"), result
    if not result:
        assert f"your code changed {setting}" in result.message


@pytest.mark.parametrize("name", CALLED)
def test_check_tells_of_changed_inputs(name, monkeypatch):
    """An answer that writes into a tensor that was handed over is told so."""
    exercise, drawn, written = find(name), [], []
    draw = Trial.tensor

    def recorded(*args, **kwargs):
        drawn.append(draw(*args, **kwargs))
        return drawn[-1]

    def write(args):
        written.extend(arg.detach().add_(1) for arg in args if any(arg is each for each in drawn))

    monkeypatch.setattr(Trial, "tensor", recorded)

    result = examine(exercise, _after(exercise.solution, write))

    assert bool(result) == (not written), result
    assert result or "its values were changed in place" in result.message


@pytest.mark.parametrize("name", NAMES)
def test_hints_come_one_by_one(name, monkeypatch):
    """A first call gives the first hint."""
    monkeypatch.setattr("d2lcompute.exercises.learner.help._given", {})

    assert repr(hint(name)) == f"Hint 1 of 3: {find(name).hints[0]}"


def _answer_from(source, exercise):
    """Run a cell as a notebook would, and return what it defines: one thing, or a tuple of several."""
    namespace = {"torch": torch, "nn": nn, **{each.__name__: each for each in exercise.given}}
    there = {*namespace, "__builtins__"}
    exec(compile(source, "<cell>", "exec"), namespace)
    made = [value for key, value in namespace.items() if key not in there]
    return made[0] if len(made) == 1 else tuple(made)


def _misbehaving(model, behave):
    """Return answers of the solution's kind that do nothing but misbehave."""
    if isinstance(model, tuple):
        return [tuple(_misbehaving(part, behave)[0] for part in model)]
    if not isinstance(model, type):
        return [lambda *args, **kwargs: behave()]

    class AtOnce(nn.Module):
        def __init__(self, *args, **kwargs):
            super().__init__()
            behave()

    class Later(nn.Module):
        def __init__(self, *args, **kwargs):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, *args, **kwargs):
            return behave()

    return [Later, AtOnce]


def _before(model, act):
    """Return the solution, but for an act before each of its calls."""
    if isinstance(model, tuple):
        return tuple(_before(part, act) for part in model)
    if isinstance(model, type):

        class Acting(model):
            def __init__(self, *args, **kwargs):
                act()
                super().__init__(*args, **kwargs)

        return Acting
    return lambda *args, **kwargs: (act(), model(*args, **kwargs))[1]


def _after(model, act):
    """Return the solution, but for an act on its arguments after each of its calls."""
    if isinstance(model, tuple):
        return tuple(_after(part, act) for part in model)
    if isinstance(model, type):

        class Acting(model):
            def forward(self, *args, **kwargs):
                return (super().forward(*args, **kwargs), act(args))[0]

        return Acting
    return lambda *args, **kwargs: (model(*args, **kwargs), act(args))[0]
