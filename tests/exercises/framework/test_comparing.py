"""Comparing: what counts as different, and how a difference is told."""

import pytest
import torch
from torch import nn

from d2lcompute.exercises.checking.compare import difference, plain_text, shorten, shown


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
