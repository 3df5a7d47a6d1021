"""Wrong answers to ``epoch_loader``."""

from typing import Any

import torch
from torch.utils.data import DataLoader, Subset

from tests.exercises.wrong_answers import WrongAnswer


def _loader(dataset: Any, batch_size: int, luck: int, **options: Any) -> Any:
    generator = torch.Generator().manual_seed(luck)
    return DataLoader(dataset, batch_size, generator=generator, **{"shuffle": True} | options)


def _no_shuffle(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, 1_000_000 * seed + epoch, shuffle=False)


def _drops_the_rest(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, 1_000_000 * seed + epoch, drop_last=True)


def _replaces(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    luck = torch.Generator().manual_seed(1_000_000 * seed + epoch)
    return _loader(
        Subset(dataset, torch.randint(len(dataset), (len(dataset),), generator=luck).tolist()), batch_size, 0
    )


def _no_generator(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    luck = torch.Generator()
    luck.seed()
    return DataLoader(dataset, batch_size, shuffle=True, generator=luck)


def _global_seed(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    torch.manual_seed(1_000_000 * seed + epoch)
    return DataLoader(dataset, batch_size, shuffle=True)


def _seed_alone(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, seed)


def _epoch_alone(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, epoch)


def _sum(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, seed + epoch)


def _product(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    return _loader(dataset, batch_size, (seed + 1000) * (epoch + 1000))


def _shuffled_before(dataset: Any, batch_size: int, seed: int, epoch: int) -> Any:
    luck = torch.Generator().manual_seed(1_000_000 * seed + epoch)
    return DataLoader(Subset(dataset, torch.randperm(len(dataset), generator=luck).tolist()), batch_size)


WRONG_ANSWERS = (
    WrongAnswer(_no_shuffle, "It never shuffles", "A generator is given, and seems to be enough."),
    WrongAnswer(_drops_the_rest, "belongs to the epoch", "drop_last=True is copied from training scripts."),
    WrongAnswer(_replaces, "some examples twice", "randint draws numbers, but not each once."),
    WrongAnswer(_no_generator, "make a fresh one in each call", "A generator of its own is made, but not seeded."),
    WrongAnswer(_global_seed, "global seed", "torch.manual_seed is how everything else is made repeatable."),
    WrongAnswer(_seed_alone, "Every epoch has the same order", "The seed is given to every epoch's generator."),
    WrongAnswer(_epoch_alone, "The seed has no influence", "The epoch gives a new order each time."),
    WrongAnswer(_sum, "one epoch apart", "seed + epoch is the obvious way to make one number of two."),
    WrongAnswer(_product, "may change places", "A product looks as if it mixed the two."),
    WrongAnswer(_shuffled_before, "would now fall differently", "A loader without shuffle seems to draw nothing."),
)
