"""Untrusted texts: answers, names and messages of others become plain text."""

import ast
import io
import re
import time

import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from torch import nn

import d2lcompute
from d2lcompute import parameter_table
from d2lcompute.doctor import Finding
from d2lcompute.exercises import check, hint, progress, solution
from d2lcompute.exercises.checking.compare import plain_text, shorten, shown
from d2lcompute.exercises.checking.examine import examine
from d2lcompute.exercises.checking.trial import Trial
from d2lcompute.exercises.learner import help as help_module
from d2lcompute.exercises.registry import find
from d2lcompute.figures import draw_blocks
from tests.untrusted.untrusted_support import HOSTILE, PACKAGE, SCRIPT, is_plain


def test_is_plain_notices_each_hostile_text():
    """What the other tests demand of messages, none of the dangerous texts has by itself."""
    harmless = {"HTML", "a formula", "lines", "braces and percents"}

    plain = {name for name, text in HOSTILE.items() if is_plain(text)}

    assert plain == harmless - {"lines"}


def rich_output(source):
    """Name what in a module's source could hand a notebook anything else than text."""
    found = []
    for node in ast.walk(ast.parse(source)):
        name = getattr(node, "name", None) or getattr(node, "attr", None) or getattr(node, "id", None)
        if isinstance(name, str) and re.fullmatch(r"_repr_\w+_|_ipython_display_|HTML|Markdown|Latex|SVG", name):
            found.append(name)
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        found += [module for module in modules if module.split(".")[0] in ("IPython", "html", "ipywidgets")]
    return found


def test_package_has_no_rich_output():
    """No module of the package defines or calls what a notebook renders as HTML, Markdown or a formula."""
    found = {path: rich_output(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}

    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    "source",
    [
        "class A:\n    def _repr_html_(self): return '<b>'",
        "A._repr_mimebundle_ = print",
        "from IPython.display import display",
        "import IPython",
        "print(HTML('<b>'))",
    ],
)
def test_rich_output_is_found(source):
    """Each way of handing out more than text is noticed."""
    assert rich_output(source) != []


def shown_objects():
    """Return one of each kind of object that the package hands to a notebook."""
    with d2lcompute.pretend_gpus(1) as machine:
        torch.ones(2, device="cuda")
    net = nn.Module()
    net.add_module(SCRIPT, nn.Linear(2, 2))
    return {
        "a check": check("parallel_block", ...),
        "a hint": hint("parallel_block"),
        "a solution": solution("parallel_block"),
        "progress": progress(),
        "a table": parameter_table(net),
        "a row": parameter_table(net)[0],
        "a timer": d2lcompute.Timer(),
        "a measurement": d2lcompute.Measurement(1.0, 0.1, 3, 5, torch.device("cpu")),
        "a machine": machine,
        "an event": machine.timeline[0],
        "a finding": Finding("OK", SCRIPT),
        "a net": d2lcompute.MLP(),
    }


def test_notebooks_get_text_alone(monkeypatch):
    """Jupyter's own formatters find one form of every object of the package: plain text."""
    monkeypatch.setattr(help_module, "_given", {})

    kinds = {name: set(DisplayFormatter().format(thing)[0]) for name, thing in shown_objects().items()}

    assert set(map(frozenset, kinds.values())) == {frozenset({"text/plain"})}, kinds


class Says:
    """Something whose repr is given."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text


def raising(text):
    """Return an answer that raises an exception with a text."""

    def answer(*args):
        raise ValueError(text)

    return answer


def printing(text):
    """Return an answer that prints a text, and is wrong."""

    def answer(*args):
        print(text)
        return 0

    return answer


def named(text):
    """Return a class of that name, which is not the answer."""
    return type(text.replace("\x00", "").encode("utf-8", "replace").decode(), (), {})


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("make", [Says, raising, printing, named])
def test_check_message_is_plain_text(what, make):
    """Whatever an answer's repr, exception, output or name holds, the message is short text without commands."""
    answer = make(HOSTILE[what])
    exercise = find("why_share")

    messages = [examine(exercise, given, seed=1).message for given in (answer, (answer, 1), {answer: answer})]

    assert all(is_plain(message) for message in messages), messages
    assert all("not yet" in message for message in messages)


def test_check_shows_html_as_it_is_written():
    """Text that looks like HTML is neither rendered nor changed: it is plain text everywhere."""
    assert shown(Says(SCRIPT)) == SCRIPT
    assert SCRIPT in examine(find("why_share"), raising(SCRIPT), seed=1).message


def test_shorten_drops_colours_and_writes_out_what_nobody_sees():
    """Colours go, marks of direction and control characters become visible, letters of all scripts stay."""
    assert shorten(HOSTILE["a colour"]) == "red"
    assert shorten(HOSTILE["a link"]) == "red"
    assert shorten("a\u202eb\x07") == "a\\u202eb\\x07"
    assert shorten("\ud800") == "\\ud800"
    assert shorten("深度 שלום é 👩‍💻 −1") == "深度 שלום é 👩‍💻 −1"


def test_unknown_name_is_quoted_and_cut():
    """A name that is no exercise's is repeated in short, with its commands written out, at once."""
    for text in HOSTILE.values():
        with pytest.raises(ValueError, match="name must be that of an exercise") as error:
            check(text, 1)

        assert is_plain(str(error.value))


class EndlessError(Exception):
    """An exception that is never done saying what it is."""

    def __str__(self):
        while True:
            pass


class EndlessRepr:
    """A value whose repr never ends."""

    def __repr__(self):
        while True:
            pass


def raise_endless(net):
    """Raise what cannot be told."""
    raise EndlessError


@pytest.mark.parametrize("answer", [raise_endless, lambda net: EndlessRepr()])
def test_check_stops_words_without_end(answer):
    """A repr or an exception's text that never ends is stopped like any other answer that runs on."""
    result = examine(find("why_share"), answer, seed=1, limit_seconds=0.3)

    assert "an answer within 0.3 seconds" in result.message


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, RecursionError])
def test_check_survives_words_that_raise(error):
    """An exception whose text cannot be asked for is called by its name, and ends nothing."""

    class SilentError(Exception):
        def __str__(self):
            raise error

        __repr__ = __str__

    def answer(net):
        raise SilentError

    result = examine(find("why_share"), answer, seed=1)

    assert "SilentError" in result.message
    assert plain_text(SilentError()) == "SilentError"


def test_shown_survives_a_class_that_hides_its_name():
    """A class whose own class answers for it is still called by its name."""

    class Meta(type):
        @property
        def __name__(cls):
            raise ZeroDivisionError

    class HiddenError(Exception, metaclass=Meta):
        def __repr__(self):
            raise ValueError

    words = shown(HiddenError), shown(HiddenError()), plain_text(HiddenError())

    assert words == (
        "the class HiddenError",
        "an object of type HiddenError (its repr raises ZeroDivisionError)",  # repr looks for the name too
        "HiddenError",
    )


def test_trial_draws_other_numbers_than_the_global_generator():
    """An answer that seeds the global generator with the trial's seed does not draw the trial's tensors."""
    for seed in (0, 1, 2**48 - 1):
        drawn = Trial(seed).tensor(64)

        torch.manual_seed(seed)
        assert not torch.isin(drawn, torch.randn(64)).any()


@pytest.mark.parametrize("name", [SCRIPT, r"$\frac$", "a$x^$b", "$", r"\alpha", "{0}", "%s", "a_b^c", "&lt;b&gt;"])
def test_drawing_and_table_take_names_as_they_are(name):
    """A dollar sign in a module's, parameter's or class's name starts no formula; nothing in it is interpreted."""
    net = nn.Module()
    net.add_module(name, type(name, (nn.Linear,), {})(2, 2))
    net.register_parameter(f"{name}!", nn.Parameter(torch.ones(2)))

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())
    ax.figure.savefig(io.BytesIO())

    texts = {text.get_text() for text in ax.texts}
    assert name in texts
    assert not any(text.get_parse_math() for text in ax.texts)
    assert [row.name for row in parameter_table(net)] == [f"{name}!", f"{name}.weight", f"{name}.bias"]
    assert f"\n{name}.weight " in repr(parameter_table(net))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("one\ntwo", "one two"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("\x00", "\\x00"),
    ],
)
def test_drawing_writes_out_what_nobody_sees(name, text):
    """Commands to a terminal, marks of direction and half characters in a name are drawn by their numbers."""
    net = nn.Module()
    net.add_module(name, nn.Linear(2, 2))
    net.register_parameter(name + "!", nn.Parameter(torch.ones(2)))

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())
    ax.figure.savefig(io.BytesIO())

    texts = {drawn.get_text() for drawn in ax.texts}
    assert {text, f"{text}! (2,)"} <= texts


@pytest.mark.parametrize("name", ["one\ntwo", "\x1b[31mred", "\u202eevil", "\ud800", "\x00", "a\u2028b"])
def test_table_writes_out_what_nobody_sees(name):
    """The table has one line for each name, and it prints anywhere: line breaks and commands are numbers in it."""
    net = nn.Module()
    net.add_module(name, nn.Linear(2, 2, bias=False))
    net.add_module("twin", net.get_submodule(name))

    table = parameter_table(net)

    text = repr(table)
    assert text.splitlines()[1].split()[0] == f"{name}.weight".encode("unicode_escape").decode()
    assert text.splitlines()[2].split()[-1] == f"{name}.weight".encode("unicode_escape").decode()
    assert is_plain(text)
    assert len(text.splitlines()) == 4
    assert table[0].name == f"{name}.weight"


def test_drawing_cuts_an_endless_name():
    """A name of a million letters is cut, at once."""
    net = nn.Module()
    net.add_module("x" * 1_000_000, nn.Linear(2, 2))
    started = time.monotonic()

    ax = draw_blocks(net, ax=Figure(figsize=(8, 4)).subplots())

    assert any(re.fullmatch("x+…", drawn.get_text()) for drawn in ax.texts)
    assert time.monotonic() - started < 10
