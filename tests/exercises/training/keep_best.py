"""Wrong answers to ``keep_best``."""

import copy
from typing import Any

import torch

from d2lcompute.exercises.lessons.training.keep_best import keep_best
from tests.exercises.wrong_answers import WrongAnswer


def _reference(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    best, best_epoch, state = float("inf"), 0, {}
    for epoch in range(epochs):
        train_epoch(net)
        loss = valid_loss(net)
        if loss < best:
            best, best_epoch, state = loss, epoch, net.state_dict()
    net.load_state_dict(state)
    return best_epoch


def _parameters_alone(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    best, best_epoch, values = float("inf"), 0, []
    for epoch in range(epochs):
        train_epoch(net)
        loss = valid_loss(net)
        if loss < best:
            best, best_epoch, values = loss, epoch, [p.detach().clone() for p in net.parameters()]
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), values, strict=True):
            parameter.copy_(value)
    return best_epoch


def _trains_a_copy(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    return keep_best(copy.deepcopy(net), train_epoch, valid_loss, epochs)


def _last_epoch(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    keep_best(net, train_epoch, valid_loss, epochs)
    return epochs - 1


def _highest(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    return keep_best(net, train_epoch, lambda net: -valid_loss(net), epochs)


def _from_one(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    return keep_best(net, train_epoch, valid_loss, epochs) + 1


def _later_of_equals(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    best, best_epoch, state = float("inf"), 0, {}
    for epoch in range(epochs):
        train_epoch(net)
        loss = valid_loss(net)
        if loss <= best:
            best, best_epoch, state = loss, epoch, copy.deepcopy(net.state_dict())
    net.load_state_dict(state)
    return best_epoch


def _measures_twice(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    best, best_epoch, state = float("inf"), 0, {}
    for epoch in range(epochs):
        train_epoch(net)
        if valid_loss(net) < best:
            best, best_epoch, state = valid_loss(net), epoch, copy.deepcopy(net.state_dict())
    net.load_state_dict(state)
    return best_epoch


def _first_dent(net: Any, train_epoch: Any, valid_loss: Any, epochs: int) -> Any:
    best, best_epoch, state = float("inf"), 0, {}
    for epoch in range(epochs):
        train_epoch(net)
        loss = valid_loss(net)
        if loss > best:
            break
        best, best_epoch, state = loss, epoch, copy.deepcopy(net.state_dict())
    net.load_state_dict(state)
    return best_epoch


WRONG_ANSWERS = (
    WrongAnswer(_reference, "was no copy", "state_dict() looks like a snapshot."),
    WrongAnswer(_parameters_alone, "the buffers are those", "Parameters seem to be all that training changes."),
    WrongAnswer(_trains_a_copy, "was a copy of it trained", "A copy protects the caller's net, who wants it."),
    WrongAnswer(_last_epoch, "That is the last epoch", "The loop's variable is returned, not the one kept."),
    WrongAnswer(_highest, "lower is better", "For accuracies the highest is the best."),
    WrongAnswer(_from_one, "counted from 0", "People count epochs from 1."),
    WrongAnswer(_later_of_equals, "no better than the first", "<= and < are mixed up."),
    WrongAnswer(_measures_twice, "more than once", "The loss is asked for where it is needed."),
    WrongAnswer(_first_dent, "better still", "The first rise is taken for the end of all progress."),
)
