"""What the pretended machine answers to the programs of this folder, and what a card does, one beside the other."""

import json
from collections.abc import Iterator
from typing import Any

import torch

from d2lcompute import pretend_gpus

from .facts import SECTIONS, fact

__all__ = ["OTHERWISE", "compare", "pretended", "programs"]

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])

# What the pretended machine answers otherwise, and why: section → program → reason.
OTHERWISE: dict[str, dict[str, str]] = {
    "mixing": {
        "bilinear": "Its operands meet in a batched product inside; the pretended machine sees the whole operation.",
        "mm fp16/fp32": "The CPU's kernel compares the dtypes, and calls the operands m1 and m2.",
        **({} if TORCH >= (2, 11) else {"cosine_similarity": "Before 2.11 it was made of other operations."}),
    },
    "waiting": {
        "to cuda pageable nb": "The model lets the host wait for a copy from memory that is not pinned.",
    },
    "memory": {"checkpointed": "The card's libraries take workspace, so that another block is the first to be free."},
    "behaviour": {
        "generators": "Without a generator of their own, devices draw from the CPU's.",
    },
    "widest": {"batch_norm": "The CPU's batch norm refuses 16-bit statistics beside a float32 input."},
}


def programs() -> Iterator[tuple[str, str]]:
    """Name the programs of each section; those of one operation under autocast count as one."""
    for section, names in SECTIONS.items():
        if section in ("autocast", "widest"):
            for operation in dict.fromkeys(name.split(" ")[1] for name in names):
                yield section, operation
        else:
            yield from ((section, name) for name in names)


def names_of(section: str, program: str) -> list[str]:
    """Return the names of a program's answers: one, or one for each dtype of an operation under autocast."""
    if section not in ("autocast", "widest"):
        return [program]
    return [name for name in SECTIONS[section] if name.split(" ")[1] == program]


def pretended(section: str, program: str) -> dict[str, Any]:
    """Run a program on a pretended device, and return its answers by name."""
    found = {}
    for name in names_of(section, program):
        with pretend_gpus(1):
            try:
                found[name] = fact(section, name, torch.device("cuda", 0))
            except (NotImplementedError, RuntimeError, TypeError) as error:
                found[name] = f"{type(error).__name__}: {error}"
    answers: dict[str, Any] = json.loads(json.dumps(found))
    return answers


def compare(recorded: dict[str, Any]) -> dict[str, list[str]]:
    """Hold the pretended machine against a card.

    Args:
        recorded: the card's answers, by section and name.

    Returns:
        The names of the answers that are the ``same``, of those that are ``known`` to be others, and of those that
        nobody knew to be ``different``.
    """
    found: dict[str, list[str]] = {"same": [], "known": [], "different": []}
    for section, program in programs():
        known = program in OTHERWISE.get(section, {})
        for name, answer in pretended(section, program).items():
            same = answer == recorded[section][name]
            found["same" if same else "known" if known else "different"].append(f"{section}: {name}")
    return found
