"""Wrong answers to ``mean_loss_one_read``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.gpu.mean_loss_one_read import Batches
from tests.exercises.wrong_answers import WrongAnswer


def _losses(net: nn.Module, batches: Batches, device: torch.device, reduction: str = "mean") -> list[torch.Tensor]:
    """Compute the losses for the wrong answers, which differ in what they do with them."""
    with torch.no_grad():
        return [nn.functional.mse_loss(net(X.to(device)), y.to(device), reduction=reduction) for X, y in batches]


def _item(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    total = 0.0
    for batch in batches:
        total += _losses(net, [batch], device)[0].item()
    return total / len(batches)


def _one_by_one(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return sum(map(float, _losses(net, batches, device))) / len(batches)


def _also_printed(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    losses = _losses(net, batches, device)
    for i, loss in enumerate(losses):
        print(f"batch {i}: {loss:.3f}")
    return torch.stack(losses).mean().item()


def _tensor_from_list(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return torch.tensor(_losses(net, batches, device)).mean().item()


def _tensor(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return torch.stack(_losses(net, batches, device)).mean()


def _sum(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return torch.stack(_losses(net, batches, device)).sum().item()


def _by_rows(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    total = sum(loss * len(X) for loss, (X, _) in zip(_losses(net, batches, device), batches, strict=True))
    return float(total) / sum(len(X) for X, _ in batches)


def _last(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return _losses(net, batches, device)[-1].item()


def _summed_errors(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return torch.stack(_losses(net, batches, device, "sum")).mean().item()


def _not_moved(net: nn.Module, batches: Batches, _: torch.device) -> Any:
    return torch.stack([nn.functional.mse_loss(net(X), y) for X, y in batches]).mean().item()


def _targets_not_moved(net: nn.Module, batches: Batches, device: torch.device) -> Any:
    return torch.stack([nn.functional.mse_loss(net(X.to(device)), y) for X, y in batches]).mean().item()


def _first_card(net: nn.Module, batches: Batches, _: torch.device) -> Any:
    return torch.stack([nn.functional.mse_loss(net(X.cuda()), y.cuda()) for X, y in batches]).mean().item()


def _net_to_the_cpu(net: nn.Module, batches: Batches, _: torch.device) -> Any:
    return torch.stack(_losses(net.cpu(), batches, torch.device("cpu"))).mean().item()


WRONG_ANSWERS = (
    WrongAnswer(_item, "You read a value for each batch", "A running sum in Python wants a number each time."),
    WrongAnswer(_one_by_one, "You read a value for each batch", "float() does not look like a transfer."),
    WrongAnswer(_also_printed, "You read a value for each batch", "A log line for each batch seems to be free."),
    WrongAnswer(_tensor_from_list, "You read a value for each batch", "torch.tensor takes a list, and reads it."),
    WrongAnswer(_net_to_the_cpu, "The net was fetched to the CPU", "On the CPU nothing has to be waited for."),
    WrongAnswer(_tensor, "That is a tensor", "A tensor with one number looks like a number."),
    WrongAnswer(_sum, "not divided by the number of batches", "The division comes after the loop, and is lost."),
    WrongAnswer(_by_rows, "Each row counts the same", "The mean over all rows is asked for more often."),
    WrongAnswer(_last, "the last batch's loss", "The return uses the loop's variable."),
    WrongAnswer(_summed_errors, "its loss is their mean", "reduction defaults are easily mixed up."),
    WrongAnswer(_not_moved, "Where are the net", "A training script on the CPU needs no move."),
    WrongAnswer(_targets_not_moved, "Where are the net", "The net takes X, so y is forgotten."),
    WrongAnswer(_first_card, "Where are the net", "cuda() means the first card, and most have only one."),
)
