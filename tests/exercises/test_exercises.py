"""Every exercise, whatever it asks: its solution passes, its wrong answers and all hostile ones are told so."""

import dataclasses
import inspect
import os
import random
import re
import signal
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from d2lcompute.exercises import hint, lessons, solution
from d2lcompute.exercises.checking.compare import shown
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.trial import Trial
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import NOTEBOOKS, find, names
from tests.exercises.wrong_answers import wrong_answers

BOOK = {
    "list_blocks": ("5.1.1", "6.1.1"),
    "registered_list": ("5.1.1", "6.1.1"),
    "parallel_block": ("5.1.2", "6.1.2"),
    "block_factory": ("5.1.3", "6.1.3"),
    "nest_mlp_shapes": ("5.2.1", "6.2.1"),
    "shared_layer_training": ("5.2.3", "6.2.2"),
    "why_share": ("5.2.4", "6.2.3"),
    "more_initializers": ("5.2.2", "6.3.1"),
    "first_size_only": ("5.3.1", "6.4.1"),
    "mismatched_sizes": ("5.3.2", "6.4.2"),
    "varying_inputs": ("5.3.3", "6.4.3"),
    "tensor_reduction": ("5.4.1", "6.5.1"),
    "half_fourier": ("5.4.2", "6.5.2"),
    "resume_training": ("5.5.1", "6.6.1"),
    "reuse_two_layers": ("5.5.2", "6.6.2"),
    "save_architecture": ("5.5.3", "6.6.3"),
    "big_and_small": ("5.6.1", "6.7.1"),
    "read_write_on_gpu": ("5.6.2", "6.7.2"),
    "log_norms": ("5.6.3", "6.7.3"),
    "two_gpus": ("5.6.4", "6.7.4"),
}
NAMES = [name for exercises in names().values() for name in exercises]
CALLED = [name for name in NAMES if callable(find(name).solution) or isinstance(find(name).solution, tuple)]
WRONG = [(name, number) for name in NAMES for number in range(len(wrong_answers(name)))]


# --- The text of an exercise -----------------------------------------------------------------------------------------


def test_book_is_complete_and_every_notebook_asks():
    """The book's exercises are all posed, under their numbers, and each lesson up to 13 has two of our own or more."""
    posed = {name: find(name).book for name in NAMES if find(name).book is not None}
    own = {notebook: sum(find(name).book is None for name in exercises) for notebook, exercises in names().items()}

    assert posed == BOOK
    assert len(own) == 14
    assert min(own.values()) >= 2
    assert sum(own.values()) >= 25


def test_names_are_unique():
    """No two notebooks pose exercises of the same name, since a check finds an exercise by its name alone."""
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_exercise_is_complete(name):
    """An exercise says what it asks, how long it takes, and where it belongs, as its file's place does."""
    exercise = find(name)

    assert exercise.name == name
    assert exercise.notebook in NOTEBOOKS
    assert name in names()[exercise.notebook]
    assert exercise.book == BOOK.get(name)
    assert exercise.difficulty in range(1, 6)
    assert exercise.minutes > 0
    assert re.fullmatch(r"[A-Z].{20,300}\.", exercise.task)
    assert exercise.why.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_hints_begin_with_a_question(name):
    """There are three hints: the first asks, and none of them shows the solution's lines."""
    hints = find(name).hints

    assert len(set(hints)) == 3
    assert hints[0].endswith("?")
    assert all(text.endswith((".", "?")) for text in hints[1:])
    assert not any(source_of(find(name)) in text for text in hints)


@pytest.mark.parametrize("name", NAMES)
def test_requirements_say_what_is_needed(name):
    """The first sentence of each requirement's docstring is what the report shows."""
    exercise = find(name)

    assert exercise.requirements
    for requirement in (exercise.form, *exercise.requirements):
        needed = " ".join((requirement.__doc__ or "").split("\n\n")[0].split())
        assert re.fullmatch(r"[A-Z].{10,200}\.", needed), requirement


def missing_twins(lessons, wrong):
    """Say which file of an exercise has no file of wrong answers of the same name, and which has no exercise."""
    here, there = ({path.relative_to(top).as_posix() for path in top.glob("*/[!_]*.py")} for top in (lessons, wrong))
    return [f"{name} has no wrong answers" for name in sorted(here - there)] + [
        f"{name} has no exercise" for name in sorted(there - here)
    ]


def test_every_exercise_has_its_wrong_answers():
    """The file of an exercise and that of its wrong answers stand in folders of one name, under one name."""
    assert missing_twins(Path(lessons.__path__[0]), Path(__file__).parent) == []


def test_missing_twins_sees_what_either_side_lacks(tmp_path):
    """An exercise without wrong answers is named, and so are wrong answers without an exercise."""
    for name in ("lessons/blocks/a.py", "lessons/blocks/b.py", "wrong/blocks/b.py", "wrong/blocks/c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert missing_twins(tmp_path / "lessons", tmp_path / "wrong") == [
        "blocks/a.py has no wrong answers",
        "blocks/c.py has no exercise",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_wrong_answers_are_explained(name):
    """There are three wrong answers or more, each with a remark of its own and a reason why people give it."""
    wrong = wrong_answers(name)

    assert len(wrong) >= 3
    for each in wrong:
        assert len(each.remark) >= 10
        assert each.why.endswith(".")


# --- The form of what a learner is told ------------------------------------------------------------------------------

SENTENCES = ("requirement", "nudge", "remark")
NAMES_IN_CAPITALS = {"CPU", "CUDA", "DDP", "GPU", "MLP", "OSError", "ReLU", "SGD"}
REWRITTEN = {"bytes_on", "mean_of_losses", "nest_mlp_shapes", "resume_training", "snapshot", "two_gpus"}
GIVING_NONE = {"broadcast_shape", "gradient_at", "mismatched_sizes", "safe_load", "share_loss"}
CODE_WORDS = {"argmax", "backward", "isinstance", "net2"}
LABELLED = re.compile(r"  (requirement|input|expected|got|in|printed) {2,}(\S.*)")


def flaws(kind, text):
    """Say what is amiss with the form of a text: a sentence, or the few words that stand beside a label."""
    if not isinstance(text, str):
        return [f"{kind} is no text: {text!r}"]
    capitals = re.findall(r"\w*[A-Z]{2}\w*", text)
    found = [f"{kind}: {word} in {text!r}" for word in capitals if word not in NAMES_IN_CAPITALS]
    if kind == "input" and re.search(r"\bNone\b", text):
        found.append(f"{kind} says None: {text!r}")
    if kind == "unnamed":
        found.append(f"what {text} is stands nowhere")
    if kind in SENTENCES and text:
        first = text.split()[0]
        if re.fullmatch(r"[a-z][^._(]*", first) and first not in CODE_WORDS:
            found.append(f"{kind} begins small: {text!r}")
        if not text.endswith((".", "?")):
            found.append(f"{kind} does not end: {text!r}")
    return found


def entries_of(message):
    """Return what a report says, by its labels; the remark has none."""
    entries = {}
    for line in message.replace("\n" + " " * 15, " ").split("\n")[1:]:
        found = LABELLED.fullmatch(line)
        label, text = found.groups() if found else ("remark", line.strip())
        entries[label] = f"{entries.get(label, '')} {text}".strip()
    return entries


def gaps(message, *, none_is_a_value=False):
    """Say what is amiss with a report's parts: what is missing, says nothing, or says the same as another."""
    said = entries_of(message)
    raised = "expected" not in said and re.match(r"[A-Z]\w+(: |$)", said.get("got", ""))
    wanted = ["requirement", "input", *([] if raised else ["expected"]), "got", "remark"]
    none_is_a_value |= said.get("remark") == "It gave None: is a return missing?"
    found = [f"no {label}" for label in wanted if label not in said or (said[label] == "None" and not none_is_a_value)]
    return found + ["expected is what came"] * ("got" in said and said.get("expected") == said["got"])


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


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("nudge", "Which blocks does it know?"),
        ("remark", "isinstance sees that it is one."),
        ("remark", "net.modules() goes through all."),
        ("remark", "2 / inputs is the variance."),
        ("nudge", ""),
        ("expected", "SGD on the CPU"),
    ],
)
def test_flaws_none(kind, text):
    """A sentence may begin with code or a number, and names may have their capitals."""
    assert flaws(kind, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "flaw"),
    [
        ("nudge", "which blocks does it know?", "begins small"),
        ("nudge", "Which blocks does it know", "does not end"),
        ("remark", "The blocks are LOST.", "LOST"),
        ("remark", "THe blocks are lost.", "THe"),
        ("expected", "a list of NAMES", "NAMES"),
        ("got", "0.99XX", "0.99XX"),
        ("remark", None, "is no text"),
        ("what", 3, "is no text"),
        ("input", "double(None)", "says None"),
        ("unnamed", "7", "what 7 is stands nowhere"),
    ],
)
def test_flaws_finds(kind, text, flaw):
    """What begins small or breaks off, is shouted, mistyped or no text at all is found."""
    assert any(flaw in each for each in flaws(kind, text))


GOOD = """double: not yet
  requirement  The result is twice
               the input.
  input        double(3)
  expected     6
  got          9
  The square is taken, of each
  element."""


def test_gaps_none():
    """A report is complete with five entries, and one on an exception without what was expected."""
    assert gaps(GOOD) == []
    assert (
        gaps(GOOD.replace("  expected     6\n  got          9", "  got          OSError: no\n  in           line 1"))
        == []
    )


@pytest.mark.parametrize(
    ("part", "instead", "gap"),
    [
        ("  requirement  The result is twice\n               the input.\n", "", "no requirement"),
        ("  input        double(3)\n", "", "no input"),
        ("  expected     6\n", "", "no expected"),
        ("  got          9\n", "", "no got"),
        ("  got          9\n", "  got          None\n", "no got"),
        ("  got          9\n", "  got          6\n", "expected is what came"),
        ("\n  The square is taken, of each\n  element.", "", "no remark"),
    ],
)
def test_gaps_finds(part, instead, gap):
    """An entry that is missing, says None, or repeats another is found."""
    assert gap in gaps(GOOD.replace(part, instead))


def flaws_of(heard, name):
    """Return the flaws of all that was heard from an exercise's requirements."""
    fine = {("got", None)} if name in GIVING_NONE else set()
    told = {(kind, text) for kind, text in heard if kind != "unnamed" or name not in REWRITTEN}
    return {flaw for kind, text in told - fine for flaw in flaws(kind, text)}


# --- Answers, right and wrong ----------------------------------------------------------------------------------------


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


# --- Answers that misbehave ------------------------------------------------------------------------------------------


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


@pytest.fixture(autouse=True)
def _everything_stays():
    """Whatever a test hands to a checker, the process is afterwards as it was before."""
    before = _state()
    yield
    assert _state() == before


def _state():
    """Return all that an answer might have changed."""
    numpy_state = sys.modules["numpy"].random.get_state()[1].tolist() if "numpy" in sys.modules else None
    return {
        "torch": torch.get_rng_state().tolist(),
        "random": random.getstate(),
        "numpy": numpy_state,
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device,
        "grad": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "folder": os.getcwd(),
        "warnings": list(warnings.filters),
        "recursion": sys.getrecursionlimit(),
        "stdout": id(sys.stdout),
        "interrupt": signal.getsignal(signal.SIGINT),
    }


@pytest.mark.parametrize("name", NAMES)
def test_check_survives_any_value(name):
    """A value of the wrong kind gets feedback, also one that raises when it is looked at."""
    for value in VALUES:
        result = examine(find(name), value)

        assert result.status == "failed", value
        assert result.message.startswith(f"{name}: not yet\n")


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
