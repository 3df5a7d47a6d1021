"""Wrong answers to ``epoch_share``."""

import torch

from tests.exercises.wrong_answers import WrongAnswer


def _order(n: int, number: int) -> list[int]:
    """Shuffle for the wrong answers, which differ in what they do with the order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(number)).tolist()


def _filled_up(n: int, size: int, rank: int, epoch: int, seed: int) -> list[int]:
    order = _order(n, seed + epoch)
    return (order + order[: -n % size])[rank::size]


def _tail_dropped(n: int, size: int, rank: int, epoch: int, seed: int) -> list[int]:
    return _order(n, seed + epoch)[: n // size * size][rank::size]


def _seeded_by_rank(n: int, size: int, rank: int, epoch: int, seed: int) -> list[int]:
    return _order(n, seed + epoch + 1000 * (rank + 1))[rank::size]


def _global_generator(n: int, size: int, rank: int, *_: int) -> list[int]:
    return torch.randperm(n).tolist()[rank::size]


def _rest_to_the_last(n: int, size: int, rank: int, epoch: int, seed: int) -> list[int]:
    order, length = _order(n, seed + epoch), n // size
    return order[rank * length :] if rank == size - 1 else order[rank * length : (rank + 1) * length]


def _no_epoch(n: int, size: int, rank: int, _: int, seed: int) -> list[int]:
    return _order(n, seed)[rank::size]


def _no_seed(n: int, size: int, rank: int, epoch: int, _: int) -> list[int]:
    return _order(n, epoch)[rank::size]


def _unshuffled(n: int, size: int, rank: int, *_: int) -> list[int]:
    return list(range(rank, n, size))


def _tensor(n: int, size: int, rank: int, epoch: int, seed: int) -> torch.Tensor:
    return torch.tensor(_order(n, seed + epoch))[rank::size]


WRONG_ANSWERS = (
    WrongAnswer(_filled_up, "it is not filled up", "DistributedSampler makes all shares equally long this way."),
    WrongAnswer(_tail_dropped, "belong to nobody", "Whole batches are easier to cut: drop_last does this."),
    WrongAnswer(_seeded_by_rank, "The ranks disagree", "Each rank seems to want random numbers of its own."),
    WrongAnswer(_global_generator, "The ranks disagree", "randperm works without a generator as well."),
    WrongAnswer(_rest_to_the_last, "deal out what is left", "Cutting into stretches leaves the end to the last."),
    WrongAnswer(_no_epoch, "must depend on epoch too", "A sampler whose set_epoch is never called does this."),
    WrongAnswer(_no_seed, "The seed decides nothing", "The epoch alone makes orders differ."),
    WrongAnswer(_unshuffled, "must depend on epoch too", "Dealing out is done, shuffling forgotten."),
    WrongAnswer(_tensor, "tolist() makes a list", "randperm gives a tensor."),
)
