"""Wrong answers to ``same_storage``."""

from typing import Any

import torch

from tests.exercises.wrong_answers import WrongAnswer


def _first_element(a: torch.Tensor, b: torch.Tensor) -> Any:
    return a.data_ptr() == b.data_ptr() != 0


def _one_object(a: torch.Tensor, b: torch.Tensor) -> Any:
    return a is b


def _equal_values(a: torch.Tensor, b: torch.Tensor) -> Any:
    return torch.equal(a, b)


def _equal_size(a: torch.Tensor, b: torch.Tensor) -> Any:
    return a.untyped_storage().nbytes() == b.untyped_storage().nbytes() != 0


def _as_in_the_notebook(a: torch.Tensor, b: torch.Tensor) -> Any:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _by_writing(a: torch.Tensor, b: torch.Tensor) -> Any:
    before = b.clone()
    a += 1
    return not torch.equal(b, before)


WRONG_ANSWERS = (
    WrongAnswer(_first_element, "Each begins at a place of its own", "data_ptr() of the tensor is shorter."),
    WrongAnswer(_one_object, "The shapes differ, the memory is one", "is tells two names of one object."),
    WrongAnswer(_equal_values, "The shapes differ, the memory is one", "What shares memory has equal values."),
    WrongAnswer(_equal_size, "writing into the copy leaves", "All views of a tensor report the same size of memory."),
    WrongAnswer(_as_in_the_notebook, "What follows if both addresses", "It is right for all the notebook's cases."),
    WrongAnswer(_by_writing, "its values were changed in place", "The experiment of the notebook, repeated."),
)
