"""Wrong answers to ``clean_dry_run``."""

from typing import Any

import torch
from torch import nn

from d2lcompute.exercises.lessons.lazy_initialization.clean_dry_run import clean_dry_run
from tests.exercises.wrong_answers import WrongAnswer


def _run(net: nn.Module, X: torch.Tensor, *, guard: Any = torch.no_grad) -> None:
    """Run the net as the solution does; the wrong answers differ in what surrounds it."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with guard():
        net(X)
    for module, mode in modes.items():
        module.training = mode


def _leaves_out_the_batch_axis(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _run(net, torch.zeros(1, *input_shape))


def _one_row(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _run(net, torch.zeros(1, input_shape[1]))


def _the_shape_itself(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _run(net, torch.tensor([input_shape], dtype=torch.float32))


def _first_layer_alone(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    layer = next(module for module in net.modules() if not list(module.children()))
    _run(layer, torch.zeros(input_shape))


def _stays_in_eval(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    net.eval()
    with torch.no_grad():
        net(torch.zeros(input_shape))


def _all_into_train(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _stays_in_eval(net, input_shape)
    net.train()


def _mode_of_the_whole(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    mode = net.training
    _stays_in_eval(net, input_shape)
    net.train(mode)


def _no_examples(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    with torch.no_grad():
        net(torch.zeros(0, *input_shape[1:]))


def _wipes_the_statistics(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    clean_dry_run(net, input_shape)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()


def _under_inference_mode(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _run(net, torch.zeros(input_shape), guard=torch.inference_mode)


def _random_batch(net: nn.Module, input_shape: tuple[int, ...]) -> Any:
    _run(net, torch.randn(input_shape))


WRONG_ANSWERS = (
    WrongAnswer(
        _leaves_out_the_batch_axis, "examples first", "Shapes are often given without the axis of the examples."
    ),
    WrongAnswer(_one_row, "with all its axes", "For plain layers the width is all that counts."),
    WrongAnswer(_the_shape_itself, "What does a lazy layer wait for", "The shape is taken for the data."),
    WrongAnswer(_first_layer_alone, "still wait for a shape", "The first layer is where the data comes in."),
    WrongAnswer(_stays_in_eval, "nobody has switched back", "eval() is remembered, the way back is not."),
    WrongAnswer(_all_into_train, "in eval mode on purpose", "train() looks like the counterpart of eval()."),
    WrongAnswer(_mode_of_the_whole, "a mode of its own", "net.training seems to be the mode of all of it."),
    WrongAnswer(_no_examples, "a batch counts", "A batch without examples moves no mean, as the notebook showed."),
    WrongAnswer(_wipes_the_statistics, "statistics were wiped out", "What the dry run counted has to go again."),
    WrongAnswer(_under_inference_mode, "inference_mode", "It is recommended as the faster no_grad."),
    WrongAnswer(_random_batch, "What else draws from it", "A random batch is the usual dummy input."),
)
