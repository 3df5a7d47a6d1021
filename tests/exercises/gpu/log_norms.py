"""Wrong answers to ``log_norms``."""

from typing import Any

import torch

from d2lcompute.exercises.lessons.gpu.log_norms import log_norms
from tests.exercises.wrong_answers import WrongAnswer


def _item(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        A = A @ B
        norms.append(A.norm().item())
    return norms


def _tensor_on_the_host(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = torch.empty(n, dtype=A.dtype)
    for i in range(n):
        A = A @ B
        norms[i] = A.norm()
    return norms.tolist()


def _one_by_one(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    return [norm.item() for norm in _tensors(A, B, n)]


def _tensor_from_list(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    return torch.tensor(_tensors(A, B, n)).tolist()


def _also_printed(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        A = A @ B
        norms.append(A.norm())
        print(norms[-1])
    return torch.stack(norms).tolist()


def _tensors(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        A = A @ B
        norms.append(A.norm())
    return norms


def _norm_first(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        norms.append(A.norm())
        A = A @ B
    return torch.stack(norms).tolist()


def _squares(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    return [norm**2 for norm in log_norms(A, B, n)]


def _spectral(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        A = A @ B
        norms.append(torch.linalg.matrix_norm(A, ord=2))
    return torch.stack(norms).tolist()


def _last(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    return log_norms(A, B, n)[-1:]


def _in_place(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    norms = []
    for _ in range(n):
        A.copy_(A @ B)
        norms.append(A.norm())
    return torch.stack(norms).tolist()


def _fetched_both(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    fetched = torch.cat((A, B)).cpu()
    return log_norms(fetched[: len(A)], fetched[len(A) :], n)


def _one_product(A: torch.Tensor, B: torch.Tensor, n: int) -> Any:
    return [(A @ B).norm().item()] * n


WRONG_ANSWERS = (
    WrongAnswer(_item, "You read a value after each product", "item() makes the number that the log wants."),
    WrongAnswer(
        _tensor_on_the_host, "You read a value after each product", "A tensor made without device= is on the CPU."
    ),
    WrongAnswer(_also_printed, "You read a value after each product", "A print does not look like a transfer."),
    WrongAnswer(_one_by_one, "You fetch the norms one by one", "The loop is free of reads, and the last line not."),
    WrongAnswer(_tensor_from_list, "You fetch the norms one by one", "torch.tensor takes a list, and reads it."),
    WrongAnswer(_tensors, "nobody has read its value", "A tensor with one number looks like a number."),
    WrongAnswer(_norm_first, "before it was multiplied", "Logging comes first in many loops."),
    WrongAnswer(_squares, "the root is missing", "The sum of squares is the larger part of the norm."),
    WrongAnswer(_spectral, "another norm", "Of a vector, ord=2 is the root of the sum of squares."),
    WrongAnswer(_last, "Only the last product's norm", "One read seems to mean one value."),
    WrongAnswer(_in_place, "its values were changed in place", "Writing into A saves memory on the device."),
    WrongAnswer(_fetched_both, "multiplied on the CPU", "One trip for both matrices is one host read as well."),
    WrongAnswer(_one_product, "is every one of them", "Every product of A and B has the same norm."),
)
