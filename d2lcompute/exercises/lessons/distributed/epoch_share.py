"""A rank's share of an epoch, without overlap and without filling up."""

from typing import Any

import torch

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def epoch_share(n, size, rank, epoch, seed):
    raise NotImplementedError
"""


def epoch_share(n: int, size: int, rank: int, epoch: int, seed: int) -> list[int]:
    """Shuffle alike on all ranks; rank r takes the places r, r + size, r + 2 * size and so on."""
    generator = torch.Generator().manual_seed(seed + epoch)
    order = torch.randperm(n, generator=generator)
    return order[rank::size].tolist()


def reads_each_index_once(answer: Any, trial: Trial) -> None:
    """The shares of all ranks together hold each of the n indices exactly once."""
    n, size, epoch, seed = _task(trial, nudge=tr("How do ranks that cannot talk agree on one order?"))

    shares = _shares(answer, trial, n, size, epoch, seed)

    read = [index for share in shares for index in share]
    missing, twice = n - len(set(read) & set(range(n))), len(read) - len(set(read))
    remark = tr(
        "The ranks disagree about the order: nothing in it may depend on the rank or on earlier random numbers."
    )
    if missing and not twice:
        remark = tr("Some examples belong to nobody: the last ones count too where n is no multiple of size.")
    elif twice and not missing:
        remark = tr("Some examples are read twice: a share may be shorter than another, it is not filled up.")
    trial.require(
        not missing and not twice,
        expected=tr("each of the {n} indices once", n=n),
        got=tr("{missing} of the {n} indices missing, {twice} read again", missing=missing, n=n, twice=twice),
        remark=remark,
    )


def shares_are_even(answer: Any, trial: Trial) -> None:
    """The lengths of two shares differ by one at most."""
    n, size, epoch, seed = _task(trial, nudge=tr("Who gets what is left when n is no multiple of size?"))

    lengths = [len(share) for share in _shares(answer, trial, n, size, epoch, seed)]

    trial.require(
        max(lengths) - min(lengths) <= 1,
        expected=tr("shares whose lengths differ by one at most"),
        got=tr("shares of {lengths} indices", lengths=", ".join(map(str, lengths))),
        remark=tr(
            "One rank has more to do than the rest, and the others wait for it: deal out what is left, one by one."
        ),
    )


def epochs_differ(answer: Any, trial: Trial) -> None:
    """Another epoch has another order."""
    n, size, epoch, seed = _task(trial, nudge=tr("What did set_epoch do for a sampler?"))

    first, second = (_shares(answer, trial, n, size, each, seed) for each in (epoch, epoch + 1))

    trial.require(
        first != second,
        expected=tr("other shares in epoch {epoch} than in epoch {epoch2}", epoch=epoch + 1, epoch2=epoch),
        got=tr("the same ones"),
        remark=tr("Each epoch has the same order: the order must depend on epoch too."),
    )


def seeds_differ(answer: Any, trial: Trial) -> None:
    """Another seed has another order."""
    n, size, epoch, seed = _task(trial, nudge=tr("What is seed for?"))

    first, second = (_shares(answer, trial, n, size, epoch, each) for each in (seed, seed + 100))

    trial.require(
        first != second,
        expected=tr("other shares with seed {seed} than with seed {seed2}", seed=seed + 100, seed2=seed),
        got=tr("the same ones"),
        remark=tr("The seed decides nothing: runs with several seeds would all see one order."),
    )


def _task(trial: Trial, *, nudge: str) -> tuple[int, int, int, int]:
    """Draw a number of examples that leaves 2 or more when it is divided by the number of ranks."""
    size = trial.size(3, 5)
    n = size * trial.size(5, 8) + size - 1
    epoch, seed = trial.size(0, 9), trial.size(0, 50)
    trial.plan(
        tr(
            "n={n}, size={size}, epoch={epoch}, seed={seed}, each rank by itself",
            n=n,
            size=size,
            epoch=epoch,
            seed=seed,
        ),
        nudge=nudge,
    )
    return n, size, epoch, seed


def _shares(answer: Any, trial: Trial, n: int, size: int, epoch: int, seed: int) -> list[list[int]]:
    """Ask for each rank's share, the last rank first."""
    shares = []
    for rank in reversed(range(size)):
        came = trial.call(answer, n, size, rank, epoch, seed)
        kinds = isinstance(came, list) and all(isinstance(index, int) for index in came)
        remark = tr("It gave None: is a return missing?") if came is None else tr("tolist() makes a list of a tensor.")
        trial.require(kinds, expected=tr("a list of integers"), got=came, remark=remark)
        shares.append(came)
    return shares


EXERCISE = Exercise(
    name="epoch_share",
    notebook="13_distributed",
    section="Equal shares: `DistributedSampler`",
    book=None,
    difficulty=2,
    minutes=10,
    task="Write a function that returns as a list which of the n indices a rank reads in an epoch: shuffled by seed "
    "and epoch, each index on exactly one of the size ranks, and the lengths of the shares as equal as can be.",
    stub=STUB,
    form=a_function,
    requirements=(reads_each_index_once, shares_are_even, epochs_differ, seeds_differ),
    hints=(
        "What must all ranks have in common so that none reads what another one reads?",
        "Make a generator of your own whose seed depends on seed and epoch only, shuffle all n, then deal the order "
        "out like cards.",
        "torch.randperm(n, generator=torch.Generator().manual_seed(...)) is the order; a slice with a step deals it "
        "out, and tolist() makes a list.",
    ),
    solution=epoch_share,
    why="A generator with the same seed gives the same order in every process, without a message; dealing it out with "
    "a step leaves nothing over, and gives the first ranks one index more where n is no multiple of size.",
)
