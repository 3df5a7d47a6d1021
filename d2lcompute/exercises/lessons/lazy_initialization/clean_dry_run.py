"""A dry run that leaves no trace."""

# mypy: disable-error-code="no-untyped-call"
# backward() is untyped in torch.

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def clean_dry_run(net, input_shape):
    raise NotImplementedError
"""

Answer = Callable[[nn.Module, tuple[int, ...]], Any]


def clean_dry_run(net: nn.Module, input_shape: tuple[int, ...]) -> None:
    """Send zeros through the net in eval mode, without a graph, and give each module its own mode back."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        with torch.no_grad():
            net(torch.zeros(input_shape))
    finally:
        for module, mode in modes.items():
            module.training = mode


def settles_all(answer: Answer, trial: Trial) -> None:
    """Afterwards no parameter and no buffer waits for its shape, and the input sizes are those of the batch."""
    rows, width, hidden = trial.sizes(3)
    first = nn.LazyLinear(hidden)
    nets = (
        (nn.Sequential(nn.Sequential(first, nn.LazyBatchNorm1d()), nn.LazyLinear(1)), (rows, width)),
        (nn.Sequential(nn.LazyConv2d(hidden, kernel_size=2), nn.Flatten(), nn.LazyLinear(1)), (rows, width, 3, 3)),
    )
    for net, shape in nets:
        trial.plan(
            tr("a net of {net_count} parts, lazy layers in it, input_shape={shape}", net_count=len(net), shape=shape),
            nudge=tr(
                "What does a lazy layer wait for? The shape is that of the batch, examples first, with all its axes."
            ),
        )

        trial.call(answer, net, shape)

        waiting = [name for name, tensor in (*net.named_parameters(), *net.named_buffers()) if is_lazy(tensor)]
        trial.require(
            not waiting,
            expected=tr("nothing that is_lazy"),
            got=tr("{waiting} still wait for a shape", waiting=", ".join(waiting)),
        )
    trial.same(first.in_features, width, what=tr("in_features of the first layer"))


def gives_each_mode_back(answer: Answer, trial: Trial) -> None:
    """Each module is in the mode in which it was before, train or eval."""
    net, norm, shape = _normalized(trial)
    trial.nudge = tr("Which of the modes do you have to know afterwards?")
    modes = {
        tr("all in eval mode"): (False, False),
        tr("a part in eval mode"): (True, False),
        tr("all in train mode"): (True, True),
    }
    for text, (whole, part) in modes.items():
        net.train(whole)
        norm.train(part)
        trial.input = f"{_TEXT}, {text}, input_shape={shape}"
        before = [module.training for module in net.modules()]

        trial.call(answer, net, shape)

        mistakes = {
            tr("A part of the net was in another mode than the whole: each module has a mode of its own."): [whole] * 4,
            tr("net.train() puts all modules in train mode, also those that were in eval mode on purpose."): [True] * 4,
            tr("After net.eval() nobody has switched back."): [False] * 4,
        }
        came = [module.training for module in net.modules()]
        trial.same(came, before, what=tr("the training flags of net.modules()"), mistakes=mistakes)


def leaves_the_statistics(answer: Answer, trial: Trial) -> None:
    """Batch normalization in train mode has counted no batch more, and keeps the mean that it had."""
    net, norm, shape = _normalized(trial)
    trial.nudge = tr("In which mode does batch normalization take a batch for training data?")
    with torch.no_grad():
        norm.running_mean.copy_(torch.randn(shape[1]))
        norm.num_batches_tracked.fill_(7)
    mean = norm.running_mean.clone()

    trial.call(answer, net, shape)

    mistakes = {tr("The statistics were wiped out, with all that had been seen before."): torch.zeros_like(mean)}
    trial.same(norm.running_mean, mean, what="running_mean", mistakes=mistakes)
    remark = tr("In train mode a batch counts, also one without examples.")
    trial.same(int(norm.num_batches_tracked), 7, what="num_batches_tracked", mistakes={remark: 8})


def can_be_trained(answer: Answer, trial: Trial) -> None:
    """Afterwards training begins as usual: no gradients are there, and backward() brings them."""
    net, _, shape = _normalized(trial)
    trial.nudge = tr("What does inference_mode mark for ever, and no_grad does not?")

    trial.call(answer, net, shape)

    trial.require(
        all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters()),
        expected=tr("parameters that require a gradient and have none yet"),
        got=tr("others"),
    )
    trial.require(
        not any(parameter.is_inference() for parameter in net.parameters()),
        expected=tr("parameters that autograd can work with"),
        got=tr("parameters that backward() refuses: they came into being under inference_mode"),
    )
    net(torch.ones(2, shape[1])).sum().backward()
    trial.require(
        all(parameter.grad is not None for parameter in net.parameters()),
        expected=tr("a gradient for each parameter after backward()"),
        got=tr("none for some"),
    )


def draws_nothing_else(answer: Answer, trial: Trial) -> None:
    """With the same seed the parameters are those that a first batch of real data would bring."""
    rows, width, hidden = trial.sizes(3)
    nets = [nn.Sequential(nn.LazyLinear(hidden), nn.Dropout(), nn.LazyLinear(1)).eval() for _ in range(2)]
    trial.plan(
        tr(
            "Sequential(LazyLinear({hidden}), Dropout(), LazyLinear(1)), input_shape={shape}, seed set before",
            hidden=hidden,
            shape=(rows, width),
        ),
        nudge=tr("Parameters are drawn from the global generator while the data passes. What else draws from it?"),
    )
    X = torch.ones(rows, width)
    torch.default_generator.manual_seed(trial.seed)
    nets[0](X)
    torch.default_generator.manual_seed(trial.seed)

    trial.call(answer, nets[1], (rows, width))

    trial.same(dict(nets[1].state_dict()), dict(nets[0].state_dict()), what=tr("the parameters"))


_TEXT = "Sequential(LazyLinear, BatchNorm1d, LazyLinear)"


def _normalized(trial: Trial) -> tuple[nn.Sequential, Any, tuple[int, int]]:
    """Build a net with batch normalization that has its shapes, between two lazy layers; return both and a shape."""
    rows, width = trial.sizes(2)
    trial.plan(f"{_TEXT}, input_shape={(rows, width)}", nudge="")
    norm = nn.BatchNorm1d(width)
    return nn.Sequential(nn.LazyLinear(width), norm, nn.LazyLinear(1)), norm, (rows, width)


EXERCISE = Exercise(
    name="clean_dry_run",
    notebook="04_lazy_initialization",
    section="A dry run that leaves no trace",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that infers all shapes of a lazy net by a batch of shape input_shape, such as (2, 20), and "
    "leaves no other trace: modes, statistics and gradients are as before, and nothing but the parameters is drawn.",
    stub=STUB,
    form=a_function,
    requirements=(settles_all, gives_each_mode_back, leaves_the_statistics, can_be_trained, draws_nothing_else),
    hints=(
        "Which traces does an ordinary pass leave in a net with batch normalization, and in the random generator?",
        "The notebook's dry_run is nearly all of it; the batch that it is given has to come from somewhere, too.",
        "Note module.training of each module in a dict, net.eval(), run torch.zeros(input_shape) under "
        "torch.no_grad(), and set each module.training to what was noted.",
    ),
    solution=clean_dry_run,
    why="In eval mode nothing is counted or dropped, no_grad records nothing and marks nothing, zeros draw no random "
    "number, and the dict remembers a mode for each module, which a single net.train() would not.",
)
