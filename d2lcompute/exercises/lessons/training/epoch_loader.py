"""An order of the examples that can be found again, epoch by epoch."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from d2lcompute.exercises.authoring import Exercise, Trial, a_function, tr

__all__ = ["EXERCISE"]

STUB = """\
def epoch_loader(dataset, batch_size, seed, epoch):
    raise NotImplementedError
"""

Data = Dataset[tuple[torch.Tensor, ...]]
Answer = Callable[[Data, int, int, int], Any]


def epoch_loader(dataset: "Dataset[Any]", batch_size: int, seed: int, epoch: int) -> "DataLoader[Any]":
    """Shuffle by a generator of the loader's own, whose seed differs for every pair of seed and epoch."""
    luck = torch.Generator().manual_seed(1_000_000 * seed + epoch)
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=True, generator=luck)


def gives_every_example_once(answer: Answer, trial: Trial) -> None:
    """The loader gives every example once, in shuffled batches of batch_size, the last one smaller if need be."""
    dataset, batch_size = _data(trial, nudge=tr("What does a DataLoader do with batch_size and shuffle?"))

    batches = _batches(answer(dataset, batch_size, trial.size(), trial.size()), trial)

    sizes = [len(batch) for batch in batches]
    given = [number for batch in batches for number in batch]
    expected = [batch_size] * (len(dataset) // batch_size) + [len(dataset) % batch_size]
    trial.require(
        sorted(given) == list(range(len(dataset))),
        expected=tr("each of the {dataset_count} examples once", dataset_count=len(dataset)),
        got=tr(
            "{given_count} examples, {given_count2} of them different",
            given_count=len(given),
            given_count2=len(set(given)),
        ),
        remark=tr("The smaller batch at the end belongs to the epoch, too.")
        if len(given) == len(set(given)) < len(dataset)
        else tr("Drawing with replacement gives some examples twice and others never."),
    )
    trial.same(sizes, expected, what=tr("the sizes of the batches"))
    trial.require(
        given != sorted(given),
        expected=tr("a shuffled order"),
        got=tr("the order of the dataset"),
        remark=tr("It never shuffles."),
    )


def repeats_itself(answer: Answer, trial: Trial) -> None:
    """The order depends on seed and epoch alone: asked again in another program, it is the same."""
    dataset, batch_size = _data(trial, nudge=tr("From which generator is the order drawn?"))
    seed, epoch = trial.size(), trial.size()
    first = _order(answer(dataset, batch_size, seed, epoch), trial)

    for other in (epoch + 1, epoch):
        torch.rand(3)  # another program has another history
        again = _order(answer(dataset, batch_size, seed, other), trial)

    trial.require(
        again == first,
        expected=tr("the same order for seed {seed}, epoch {epoch}", seed=seed, epoch=epoch),
        got=tr("another one, the second time"),
        remark=tr(
            "The order comes from a generator that others draw from as well, or that goes on from "
            "call to call: make a fresh one in each call."
        ),
    )


def differs_from_epoch_to_epoch(answer: Answer, trial: Trial) -> None:
    """Every pair of a seed and an epoch has an order of its own."""
    dataset, batch_size = _data(trial, nudge=tr("What does the generator's seed depend on?"))
    seed, epoch = trial.size(5, 8), trial.size(1, 3)
    remarks = {
        (seed, epoch + 1): tr("Every epoch has the same order: the epoch's number has no influence."),
        (seed + 1, epoch): tr("The seed has no influence."),
        (seed - 1, epoch + 1): tr(
            "The sum is the same, so the order is, too: the runs of two neighbouring seeds see the "
            "same orders, one epoch apart."
        ),
        (epoch, seed): tr(
            "Seed and epoch may change places, and the order stays: combine them so that each pair "
            "gives another number."
        ),
    }
    orders = {pair: _order(answer(dataset, batch_size, *pair), trial) for pair in [(seed, epoch), *remarks]}

    for pair, remark in remarks.items():
        trial.require(
            orders[pair] != orders[seed, epoch],
            expected=tr("different orders for (seed, epoch) = {shape} and {pair}", shape=(seed, epoch), pair=pair),
            got=tr("equal ones"),
            remark=remark,
        )


def leaves_the_global_generator(answer: Answer, trial: Trial) -> None:
    """Going through the loader takes nothing from the global generator, and leaves its state as it was."""
    dataset, batch_size = _data(trial, nudge=tr("A loader can have a generator of its own."))
    before = torch.get_rng_state()

    _order(answer(dataset, batch_size, trial.size(), trial.size()), trial)

    trial.require(
        torch.equal(torch.get_rng_state(), before),
        expected=tr("torch.rand draws what it would have drawn"),
        got=tr("it draws other numbers"),
        remark=tr(
            "Dropout, which draws from the global generator, would now fall differently. Even a "
            "loader that does not shuffle draws from it, unless it has a generator of its own."
        ),
    )


def _data(trial: Trial, *, nudge: str) -> tuple[Any, int]:
    """Draw a dataset whose examples are their numbers, and a size of the batches that leaves a rest."""
    batch_size = trial.size(4, 7)
    length = batch_size * trial.size(5, 7) + trial.size(1, batch_size - 1)
    trial.plan(tr("{length} examples in batches of {batch_size}", length=length, batch_size=batch_size), nudge=nudge)
    return TensorDataset(torch.arange(length)), batch_size


def _batches(loader: Any, trial: Trial) -> list[list[int]]:
    """Go through a loader once."""
    trial.require(
        isinstance(loader, DataLoader),
        expected=tr("a DataLoader"),
        got=loader,
        remark=tr("It gave None: is a return missing?") if loader is None else tr("Return the loader itself."),
    )
    return [batch[0].tolist() for batch in loader]


def _order(loader: Any, trial: Trial) -> list[int]:
    """Return the numbers of the examples in the order of the loader."""
    return [number for batch in _batches(loader, trial) for number in batch]


EXERCISE = Exercise(
    name="epoch_loader",
    notebook="08_training",
    section="A DataLoader with its own random generator",
    book=None,
    difficulty=3,
    minutes=15,
    task="Write a function that returns a shuffled DataLoader for one epoch, whose order depends on seed and epoch "
    "alone: each pair of seed and epoch has its own order. So a resumed run needs no saved generator.",
    stub=STUB,
    form=a_function,
    requirements=(gives_every_example_once, repeats_itself, differs_from_epoch_to_epoch, leaves_the_global_generator),
    hints=(
        "Which argument of DataLoader decides where the order is drawn from, and which numbers should it depend on?",
        "Give the loader a fresh torch.Generator, seeded with one number made of seed and epoch; is it a different "
        "number for each pair?",
        "torch.Generator().manual_seed(1_000_000 * seed + epoch), as long as there are fewer than a million epochs.",
    ),
    solution=epoch_loader,
    why="A fresh generator forgets what came before, so seed and epoch alone decide; seed + epoch would give run 0's "
    "epoch 1 the order of run 1's epoch 0, and a large factor keeps the pairs apart.",
)
