"""Which parameters exist before the dry run, if only the first size is known."""

from torch import nn

from d2lcompute.exercises.authoring import Exercise, Trial, a_list, tr

__all__ = ["EXERCISE"]

STUB = """\
first_size_only = ...  # a list of names in quotes, as named_parameters() gives them
"""

SOLUTION = ["0.weight", "0.bias"]


def names_all_that_exist(answer: list[str], trial: Trial) -> None:
    """Every parameter that has its values already is in the list."""
    _plan(trial)
    net = _net()
    missing = _initialized(net) - set(answer)
    layers = tr("These are layers: each has two parameters, with names like 'layer.weight'.")
    trial.require(
        not missing,
        expected=tr("the names of all that are initialized"),
        got=tr("a list that lacks {missing_count} of them", missing_count=len(missing)),
        remark=layers if set(answer) & {name for name, _ in net.named_modules()} else "",
    )


def names_nothing_else(answer: list[str], trial: Trial) -> None:
    """No parameter is in the list that is still waiting for its shape."""
    _plan(trial)
    initialized = _initialized(_net())
    waiting = [name for name in answer if name not in initialized]
    remark = tr("Its size would be known: out_features is. Yet LazyLinear makes its bias together with its weight.")
    trial.require(
        not waiting,
        expected=tr("the names of those that are initialized, and no others"),
        got=tr("also {waiting!r}", waiting=waiting[0]) if waiting else "",
        remark=remark if waiting == ["2.bias"] else "",
    )


def _net() -> nn.Sequential:
    """Build the net of the exercise."""
    return nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.LazyLinear(10))


def _initialized(net: nn.Module) -> set[str]:
    """Return the names of the parameters that have a shape."""
    return {name for name, parameter in net.named_parameters() if not nn.parameter.is_lazy(parameter)}


def _plan(trial: Trial) -> None:
    """Say what is looked at."""
    trial.plan(
        tr("nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.LazyLinear(10)), right after it is built"),
        nudge=tr("Which of the layers knows both of its sizes before it has seen an input?"),
    )


EXERCISE = Exercise(
    name="first_size_only",
    notebook="04_lazy_initialization",
    section="Layer by layer, while the data passes",
    book=("5.3.1", "6.4.1"),
    difficulty=1,
    minutes=5,
    task="Name the parameters that are initialized right after nn.Sequential(nn.Linear(20, 256), nn.ReLU(), "
    "nn.LazyLinear(10)) is built.",
    stub=STUB,
    form=a_list(str),
    requirements=(names_all_that_exist, names_nothing_else),
    rounds=1,
    hints=(
        "What does a layer need to know before it can make its weight?",
        "Build the net, print named_parameters(), and look at the class of each.",
        "nn.Linear(20, 256) knows both sizes and is ready; nn.LazyLinear waits with its weight, and with its bias too.",
    ),
    solution=SOLUTION,
    why="nn.Linear is told both of its sizes and fills weight and bias at once; nn.LazyLinear holds uninitialized "
    "parameters, the bias too, until the first input shows it the missing size.",
)
